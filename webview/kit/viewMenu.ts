/**
 * Saved views of a panel: which one is shown, whether it has changed since, and what may be done with it. The page owns what
 * is shown; the file of the workspace owns the views.
 */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { compareText } from "../../src/protocol/compareText";
import type { Host } from "../../src/protocol/page";
import type { ViewList } from "../../src/protocol/service/views";
import type { SavedView } from "../../src/schema/savedViews";
import { icons } from "./icons";
import { placeBelow } from "./menu";
import type { Stage } from "./stage";
import { getValue } from "./toolkit";

/** A view without its name. Whatever it leaves out is as usual. */
export type ViewContent<V extends SavedView> = Omit<V, "panel" | "name">;

export interface ViewMenuPage<V extends SavedView> {
  readonly panel: V["panel"];
  /** What is shown now, in one form for everything that looks the same. */
  capture(): ViewContent<V>;
  apply(view: ViewContent<V>): void;
  /** The content as `capture` returns it once it is applied. */
  normalize(view: ViewContent<V>): ViewContent<V>;
  /** Another view is the current one. */
  changed(): void;
}

interface Editing {
  readonly kind: "save" | "rename";
  readonly text: string;
}

export class ViewMenu<V extends SavedView> {
  private views: readonly V[] = [];
  private problem: string | undefined;
  private editing: Editing | undefined;
  /** Can be restored until the next change. */
  private deleted: V | undefined;
  private open = false;
  private pending = 0;

  constructor(
    private readonly host: Host,
    private readonly stage: Stage,
    private readonly page: ViewMenuPage<V>,
    /** The name of the view that was shown last; it may be gone. */
    private current: string | undefined,
  ) {
    // What this page has asked for is answered with the list.
    host.on("viewsChanged", () => this.pending === 0 && stage.attempt(() => this.load()));
  }

  /** Undefined where no saved view is shown. */
  get name(): string | undefined {
    return this.current;
  }

  async load(): Promise<void> {
    this.accept(await this.host.request("views.list", { panel: this.page.panel }));
  }

  /** Shows the view that was shown last, if it still exists. */
  restore(): void {
    const view = this.find(this.current);
    if (view === undefined) this.current = undefined;
    else this.page.apply(view);
  }

  draw(): TemplateResult {
    const { current } = this;
    const isChanged = this.isChanged();
    return html`<button
        class="quiet"
        id="view-button"
        popovertarget="view-menu"
        title=${isChanged ? `The view ${current!} has changed since it was saved` : "Saved views"}
      >
        ${icons.view} <span class="view-name">${current ?? "Views"}</span>${
          isChanged ? html`<span class="changed">changed</span>` : nothing
        }
      </button>
      <div
        popover
        id="view-menu"
        class="menu"
        role="dialog"
        aria-label="Saved views"
        @toggle=${(event: ToggleEvent) => this.onToggle(event)}
      >
        ${this.open ? this.renderMenu(isChanged) : nothing}
      </div>`;
  }

  private renderMenu(isChanged: boolean): TemplateResult {
    const { current, editing, deleted } = this;
    const action = (label: string, act: () => void, isEnabled = true) =>
      html`<button class="quiet choice" ?disabled=${!isEnabled} @click=${act}>${label}</button>`;
    return html`<div class="saved" tabindex="-1" role="list" aria-label="Views">
        ${this.renderChoice(undefined)}
        ${repeat(
          this.views,
          ({ name }) => name,
          (view) => this.renderChoice(view),
        )}
      </div>
      ${this.problem === undefined ? nothing : html`<p class="note fault" role="alert">${this.problem}</p>`}
      <hr />
      ${current === undefined ? nothing : action(`Update ${current}`, () => this.update(), isChanged)}
      ${action("Save View As…", () => this.edit("save", ""), this.problem === undefined)}
      ${
        current === undefined
          ? nothing
          : html`${action("Rename…", () => this.edit("rename", current))}
            ${action("Delete", () => this.delete(current))}`
      }
      ${deleted === undefined ? nothing : action(`Restore ${deleted.name}`, () => this.undelete(deleted))}
      ${editing === undefined ? nothing : this.renderName(editing)}`;
  }

  private renderChoice(view: V | undefined): TemplateResult {
    const isCurrent = this.current === view?.name;
    return html`<div role="listitem">
      <button
        class="quiet choice view"
        aria-current=${isCurrent ? "true" : nothing}
        @click=${() => this.choose(view)}
      >
        <span class="tick" aria-hidden="true">${isCurrent ? "✓" : ""}</span
        ><span>${view?.name ?? "Usual view"}</span>
      </button>
    </div>`;
  }

  private renderName({ kind, text }: Editing): TemplateResult {
    const label = kind === "save" ? "Name of the new view" : "New name of the view";
    return html`<div class="view-form">
      <vscode-textfield
        id="view-text"
        .label=${label}
        placeholder=${label}
        .value=${text}
        @input=${(event: Event) => {
          this.editing = { kind, text: getValue(event) };
          this.stage.redraw();
        }}
        @keydown=${(event: KeyboardEvent) => this.onKey(event)}
      ></vscode-textfield>
      <vscode-button ?disabled=${text.trim() === ""} @click=${() => this.commit()}
        >${kind === "save" ? "Save" : "Rename"}</vscode-button
      >
    </div>`;
  }

  private onKey(event: KeyboardEvent): void {
    if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Enter") this.commit();
    else this.finish();
  }

  private edit(kind: Editing["kind"], text: string): void {
    this.editing = { kind, text };
    this.stage.redraw();
    // After the drawing, when the field is there.
    requestAnimationFrame(() => document.getElementById("view-text")?.focus());
  }

  private commit(): void {
    const { editing, current } = this;
    const name = editing?.text.trim() ?? "";
    if (editing === undefined || name === "") return;
    this.request(async () => {
      const { panel } = this.page;
      const list =
        editing.kind === "save"
          ? await this.host.request("views.save", { view: this.create(name), replace: false })
          : await this.host.request("views.rename", { panel, name: current!, to: name });
      this.setCurrent(name);
      this.deleted = undefined;
      this.accept(list);
      this.finish();
    });
  }

  private update(): void {
    this.request(async () => {
      const view = this.create(this.current!);
      this.accept(await this.host.request("views.save", { view, replace: true }));
      this.deleted = undefined;
    });
  }

  private delete(name: string): void {
    const view = this.find(name);
    this.request(async () => {
      const list = await this.host.request("views.delete", { panel: this.page.panel, name });
      this.deleted = view;
      this.setCurrent(undefined);
      this.accept(list);
    });
  }

  private undelete(view: V): void {
    this.request(async () => {
      const list = await this.host.request("views.save", { view, replace: false });
      this.deleted = undefined;
      this.accept(list);
    });
  }

  private choose(view: V | undefined): void {
    this.editing = undefined;
    this.setCurrent(view?.name);
    this.page.apply(view ?? ({} as ViewContent<V>));
    document.getElementById("view-menu")?.hidePopover();
    this.page.changed();
  }

  private create(name: string): V {
    return { panel: this.page.panel, name, ...this.page.capture() } as unknown as V;
  }

  private isChanged(): boolean {
    const view = this.find(this.current);
    if (view === undefined) return false;
    return toText(this.page.normalize(view)) !== toText(this.page.capture());
  }

  private find(name: string | undefined): V | undefined {
    return name === undefined ? undefined : this.views.find((view) => view.name === name);
  }

  private accept({ views, problem }: ViewList): void {
    this.views = views as readonly V[];
    this.problem = problem;
    // Deleted or renamed elsewhere: what is shown stays, without a name.
    if (problem === undefined && this.find(this.current) === undefined) this.setCurrent(undefined);
    this.stage.redraw();
  }

  private setCurrent(name: string | undefined): void {
    if (name === this.current) return;
    this.current = name;
    this.page.changed();
    const { panel } = this.page;
    this.stage.attempt(() =>
      this.host.request("page.keepView", { panel, ...(name === undefined ? {} : { view: name }) }),
    );
  }

  private request(work: () => Promise<void>): void {
    this.pending++;
    this.stage.attempt(() => work().finally(() => this.pending--));
  }

  private finish(): void {
    this.editing = undefined;
    this.stage.redraw();
    document.getElementById("view-button")?.focus();
  }

  private onToggle(event: ToggleEvent): void {
    this.open = event.newState === "open";
    if (this.open) this.stage.attempt(() => this.load());
    else this.editing = undefined;
    placeBelow(event.currentTarget as HTMLElement, document.getElementById("view-button")!);
    this.stage.redraw();
  }
}

/** The same for the same content, whatever the order of its keys. */
function toText(content: object): string {
  const { panel: _panel, name: _name, ...rest } = content as Record<string, unknown>;
  const sorted = Object.entries(rest)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => compareText(a, b));
  return JSON.stringify(sorted);
}
