/** A bar between two parts of a page that sets the height of one of them, by pointer or keyboard. */
import { html, type TemplateResult } from "lit";

export function renderSplitter(
  label: string,
  height: number,
  setHeight: (height: number) => void,
  part: "lower" | "upper" = "lower",
): TemplateResult {
  const direction = part === "lower" ? 1 : -1;
  const maxHeight = Math.max(120, window.innerHeight - 220);
  const setClamped = (pixels: number) => setHeight(Math.round(Math.max(80, Math.min(maxHeight, pixels))));
  return html`<div
    class="splitter"
    role="separator"
    tabindex="0"
    aria-orientation="horizontal"
    aria-label=${label}
    aria-valuenow=${height}
    aria-valuemin="80"
    aria-valuemax=${maxHeight}
    @keydown=${(event: KeyboardEvent) => {
      const step = { ArrowUp: 24, ArrowDown: -24 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      setClamped(height + direction * step);
    }}
    @pointerdown=${(event: PointerEvent) => {
      const bar = event.currentTarget as HTMLElement;
      const from = event.clientY;
      bar.setPointerCapture(event.pointerId);
      const move = ({ clientY }: PointerEvent) => setClamped(height + direction * (from - clientY));
      bar.addEventListener("pointermove", move);
      bar.addEventListener("lostpointercapture", () => bar.removeEventListener("pointermove", move), {
        once: true,
      });
    }}
  ></div>`;
}
