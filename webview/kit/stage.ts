/**
 * From the entry of a page to what it draws: opens the page, draws at most once a frame, and shows what went wrong in one
 * banner. A panel's own code is a function from the page to a drawing.
 */
import { type CSSResult, html, render, type TemplateResult } from "lit";
import { toWorkbenchError } from "../../src/protocol/errors";
import type { PanelId } from "../../src/protocol/page";
import { openPage, type Page } from "../page";
import { renderErrorBanner, renderSpinner } from "./states";
import { guardText } from "./textGuards";
import { adoptStyles } from "./theme";
import { registerControls } from "./toolkit";

export interface Stage {
  /** Draws again before the next frame. */
  redraw(): void;
  /** Runs an action and shows its failure on the page; a cancelled request is silent. */
  attempt(work: () => Promise<unknown>): void;
}

export interface Panel {
  draw(): TemplateResult;
  /** Called after each drawing, when the elements are in the document. */
  afterDraw?(): void;
}

/**
 * Events that come faster than frames and move what is drawn by a step. The handlers of other events read a control, which
 * a drawing before them would reset.
 */
const steppingEvents = ["keydown", "pointermove"];

export async function startPanel<P extends PanelId, S>(
  id: P,
  styles: readonly CSSResult[],
  open: (page: Page<P, S>, stage: Stage) => Panel,
): Promise<void> {
  adoptStyles(...styles);
  guardText();
  registerControls();
  const root = document.body.appendChild(document.createElement("main"));
  root.className = "page";
  render(renderSpinner("Opening…"), root);
  const page = await openPage<P, S>(id);

  let error: string | undefined;
  let requested: number | undefined;
  const draw = () => {
    requested = undefined;
    render(html`${renderErrorBanner(error, () => show(undefined))} ${panel.draw()}`, root);
    panel.afterDraw?.();
  };
  const stage: Stage = {
    redraw: () => {
      requested ??= requestAnimationFrame(draw);
    },
    attempt: (work) => void work().catch(fail),
  };
  const show = (message: string | undefined) => {
    error = message;
    stage.redraw();
  };
  const fail = (thrown: unknown) => {
    const { code, message } = toWorkbenchError(thrown);
    // An error of the drawing itself would come again with each attempt to show it.
    if (code === "cancelled" || message === error) return;
    show(message);
    void page.host.request("page.log", { level: "error", message });
  };
  // An event without an error is the browser's own remark, as when a resize takes two frames.
  addEventListener("error", ({ error: thrown }) => thrown !== null && fail(thrown));
  addEventListener("unhandledrejection", (event) => fail(event.reason));
  // Handlers belong to the last drawing: what one event changed is drawn before the next one is handled.
  const drawIfRequested = () => {
    if (requested === undefined) return;
    cancelAnimationFrame(requested);
    draw();
  };
  for (const type of steppingEvents) addEventListener(type, drawIfRequested, { capture: true });
  const panel = open(page, stage);
  render(html``, root);
  draw();
}
