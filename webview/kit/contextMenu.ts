/** The menu of a right click or of the menu key: what fits the thing under the pointer, in the place of Cut, Copy and Paste. */
import { html, nothing, render, type TemplateResult } from "lit";

export interface MenuItem {
  readonly label: string;
  /** Shown at the right: the key that does the same. */
  readonly key?: string;
  readonly run: () => void;
}

/** Items with a line between the sections; an empty section is left out. */
export type MenuSections = readonly (readonly MenuItem[])[];

/** One for each page, beside what the page draws, so that it stays open while the page is redrawn. */
export class ContextMenu {
  private readonly element = document.createElement("div");
  private returnFocus: () => void = () => undefined;

  constructor() {
    Object.assign(this.element, { className: "menu context-menu", popover: "auto", tabIndex: -1 });
    this.element.setAttribute("role", "menu");
    this.element.addEventListener("keydown", (event) => this.onKey(event));
    this.element.addEventListener("contextmenu", (event) => event.preventDefault());
    document.body.append(this.element);
  }

  /** `returnFocus` puts the keyboard back when the menu is closed. */
  open(event: MouseEvent, label: string, sections: MenuSections, returnFocus: () => void): void {
    event.preventDefault();
    this.returnFocus = returnFocus;
    this.element.setAttribute("aria-label", label);
    const filled = sections.filter(({ length }) => length > 0);
    render(
      filled.map(
        (items, i) => html`${i === 0 ? nothing : html`<hr />`} ${items.map((item) => this.renderItem(item))}`,
      ),
      this.element,
    );
    this.element.showPopover();
    const { offsetWidth, offsetHeight } = this.element;
    const { clientWidth, clientHeight } = document.documentElement;
    const at = this.getPlace(event);
    this.element.style.left = `${Math.max(0, Math.min(at.x, clientWidth - offsetWidth - 4))}px`;
    this.element.style.top = `${Math.max(0, Math.min(at.y, clientHeight - offsetHeight - 4))}px`;
    this.getItems()[0]?.focus();
  }

  /** The menu key reports no place: the menu opens at what has the focus. */
  private getPlace(event: MouseEvent): { readonly x: number; readonly y: number } {
    if (event.clientX !== 0 || event.clientY !== 0) return { x: event.clientX, y: event.clientY };
    const box = (event.target as Element).getBoundingClientRect();
    return { x: box.left + 8, y: box.bottom };
  }

  private renderItem({ label, key, run }: MenuItem): TemplateResult {
    return html`<button
      class="quiet choice"
      role="menuitem"
      tabindex="-1"
      @click=${() => {
        this.close();
        run();
      }}
    >
      <span>${label}</span
      >${key === undefined ? nothing : html`<span class="muted" aria-hidden="true">${key}</span>`}
    </button>`;
  }

  private onKey(event: KeyboardEvent): void {
    const items = this.getItems();
    const index = items.indexOf(document.activeElement as HTMLElement);
    const targets: Readonly<Record<string, number>> = {
      ArrowDown: index + 1,
      ArrowUp: index - 1,
      Home: 0,
      End: -1,
    };
    const target = targets[event.key];
    if (target !== undefined) {
      event.preventDefault();
      items.at(target % items.length)?.focus();
    } else if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      event.stopPropagation();
      this.close();
    }
  }

  private getItems(): readonly HTMLElement[] {
    return [...this.element.querySelectorAll<HTMLElement>("[role=menuitem]")];
  }

  private close(): void {
    this.element.hidePopover();
    this.returnFocus();
  }
}
