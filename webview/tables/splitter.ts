/** A bar between two parts of a page that sets the height of the lower one, by pointer or keyboard. */
import { html, type TemplateResult } from "lit";

export function splitter(label: string, height: number, set: (height: number) => void): TemplateResult {
  const most = Math.max(120, window.innerHeight - 220);
  const limited = (pixels: number) => set(Math.round(Math.max(80, Math.min(most, pixels))));
  return html`<div
    class="splitter"
    role="separator"
    tabindex="0"
    aria-orientation="horizontal"
    aria-label=${label}
    aria-valuenow=${height}
    aria-valuemin="80"
    aria-valuemax=${most}
    @keydown=${(event: KeyboardEvent) => {
      const step = { ArrowUp: 24, ArrowDown: -24 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      limited(height + step);
    }}
    @pointerdown=${(event: PointerEvent) => {
      const bar = event.currentTarget as HTMLElement;
      const from = event.clientY;
      bar.setPointerCapture(event.pointerId);
      const move = ({ clientY }: PointerEvent) => limited(height + from - clientY);
      bar.addEventListener("pointermove", move);
      bar.addEventListener("lostpointercapture", () => bar.removeEventListener("pointermove", move), {
        once: true,
      });
    }}
  ></div>`;
}
