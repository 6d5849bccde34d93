/** The page of a panel: one module, no inline script, nothing from anywhere else. */

export interface PageSources {
  readonly title: string;
  /** Address of the page's module as the webview sees it. */
  readonly script: string;
  /** The webview's own origin. */
  readonly origin: string;
  readonly nonce: string;
}

export function contentSecurityPolicy({ origin, nonce }: Pick<PageSources, "origin" | "nonce">): string {
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    // The toolkit's components write their styles into the page.
    `style-src ${origin} 'unsafe-inline'`,
    `img-src ${origin} data:`,
    `font-src ${origin}`,
  ].join("; ");
}

export function pageHtml(sources: PageSources): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="${attribute(contentSecurityPolicy(sources))}">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${attribute(sources.title)}</title>
  </head>
  <body>
    <script type="module" nonce="${attribute(sources.nonce)}" src="${attribute(sources.script)}"></script>
  </body>
</html>
`;
}

function attribute(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll('"', "&quot;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}
