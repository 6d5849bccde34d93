/**
 * The report's own document inside of the page, in a shadow root with the report's own style and the editor's colors. Parts
 * that have not changed keep their elements, so that neither the place, nor what is open, nor the focus is lost.
 */

/** Nothing of them is in a report; a run's text must not become one of them by a fault. */
const forbidden = "script, iframe, object, embed, link, meta, base, form, style";

const editorStyle = `
  :host {
    display: block;
    --text: var(--vscode-foreground); --muted: var(--lathe-muted); --ground: var(--lathe-surface);
    --line: var(--lathe-border);
    overflow-wrap: anywhere; font-size: 14px; line-height: 1.5;
  }
  main { max-width: 1080px; margin: 0 auto; padding: 4px 20px 32px; color: var(--text); }
  /* Figures are drawn once, on white: the theme of the editor counts, not that of the system. */
  .figures svg { filter: none !important; }
  :host(.dark) .figures svg { filter: invert(0.88) hue-rotate(180deg) !important; }
  code { font-family: var(--vscode-editor-font-family, monospace); }
  @media (max-width: 640px) { main { padding: 4px 12px 24px; } }
`;

export class ReportDocument {
  readonly element = document.createElement("div");
  private readonly root = this.element.attachShadow({ mode: "open" });
  private readonly style = this.root.appendChild(document.createElement("style"));
  private readonly main = this.root.appendChild(document.createElement("main"));
  private sources: readonly string[] = [];

  constructor() {
    this.element.className = "report";
  }

  setGround(ground: "light" | "dark"): void {
    this.element.classList.toggle("dark", ground === "dark");
  }

  /** Scripts of a parsed document never run, and the page's policy would refuse them. */
  show(html: string): void {
    const parsed = new DOMParser().parseFromString(html, "text/html");
    const style = `${parsed.querySelector("style")?.textContent ?? ""}${editorStyle}`;
    if (this.style.textContent !== style) this.style.textContent = style;
    const content = parsed.querySelector("main") ?? parsed.body;
    for (const element of content.querySelectorAll(forbidden)) element.remove();
    for (const element of content.querySelectorAll("*"))
      for (const { name } of [...element.attributes])
        if (/^on|^(href|src|action|formaction)$/i.test(name)) element.removeAttribute(name);
    const children = [...content.children];
    const sources = children.map(({ outerHTML }) => outerHTML);
    const current = [...this.main.children];
    children.forEach((child, i) => {
      const before = current[i];
      if (before === undefined) this.main.append(child);
      else if (sources[i] !== this.sources[i]) replace(before, child);
    });
    for (const extra of current.slice(children.length)) extra.remove();
    this.sources = sources;
  }
}

/** What was open stays open, and a table that was scrolled sideways stays there. */
function replace(before: Element, after: Element): void {
  if (before instanceof HTMLDetailsElement && after instanceof HTMLDetailsElement) after.open = before.open;
  const { scrollLeft } = before;
  const hadFocus = (before.getRootNode() as ShadowRoot).activeElement === before;
  before.replaceWith(after);
  after.scrollLeft = scrollLeft;
  if (hadFocus) (after as HTMLElement).focus({ preventScroll: true });
}
