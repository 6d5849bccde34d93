/** The page of a panel: one module, no inline script, nothing from anywhere else. */

export interface PageSources {
  readonly title: string;
  /** Address of the page's module as the webview sees it. */
  readonly script: string;
  /** The webview's own origin. */
  readonly origin: string;
  readonly nonce: string;
}

export function createContentSecurityPolicy({
  origin,
  nonce,
}: Pick<PageSources, "origin" | "nonce">): string {
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    // The toolkit's components write their styles into the page.
    `style-src ${origin} 'unsafe-inline'`,
    `img-src ${origin} data:`,
    `font-src ${origin}`,
  ].join("; ");
}

export function createPageHtml(sources: PageSources): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="${escapeAttribute(createContentSecurityPolicy(sources))}">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${escapeAttribute(sources.title)}</title>
  </head>
  <body>
    <script type="module" nonce="${escapeAttribute(sources.nonce)}" src="${escapeAttribute(sources.script)}"></script>
  </body>
</html>
`;
}

function escapeAttribute(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll('"', "&quot;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}
