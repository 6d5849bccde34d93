/** A window of the workbench in a real browser, and user actions in it. */
import { existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { format } from "node:util";
import {
  type Browser,
  type BrowserContext,
  chromium,
  type FrameLocator,
  type Locator,
  type Page,
} from "playwright-core";
import type { Server } from "./server";

export const chromiumPath = process.env["LATHE_CHROMIUM"] ?? "/usr/bin/chromium";

/** Why windows cannot be opened on this machine; undefined if they can. Required in continuous integration. */
export function noWindow(): string | undefined {
  const reason = missing();
  if (reason !== undefined && process.env["CI"] === "true")
    throw new Error(`No window of VS Code: ${reason}.`);
  return reason;
}

function missing(): string | undefined {
  if (process.platform !== "linux")
    return `VS Code's server is installed for Linux only, not for ${process.platform}`;
  if (!existsSync(chromiumPath))
    return `${chromiumPath} is not there: install Chromium, or name another with LATHE_CHROMIUM`;
  return undefined;
}

export async function launchBrowser(home: string): Promise<Browser> {
  const env = { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home } as Record<
    string,
    string
  >;
  return chromium.launch({
    executablePath: chromiumPath,
    headless: true,
    env,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
    ],
  });
}

export interface WindowOptions {
  readonly folder: string;
  /** An extension under development instead of an installed one. */
  readonly extension?: string;
  /** A CommonJS file with `run()`, which runs in the extension host. */
  readonly tests?: string;
  readonly size?: { readonly width: number; readonly height: number };
}

export class Window {
  private constructor(
    readonly page: Page,
    private readonly address: string,
  ) {}

  /** Windows of one context share what VS Code stores in the browser, like the windows of one user. */
  static async open(context: BrowserContext, server: Server, options: WindowOptions): Promise<Window> {
    const window = new Window(await context.newPage(), addressOf(server, options));
    window.page.on("dialog", (dialog) => void dialog.accept());
    await window.load();
    return window;
  }

  /**
   * Like `open`, but resolves when the tests in the extension host have ended, with their exit status (undefined if they
   * never end) and the last messages of the workbench.
   */
  static async runTests(
    context: BrowserContext,
    server: Server,
    options: WindowOptions,
    milliseconds: number,
  ): Promise<{ readonly status: number | undefined; readonly said: readonly string[] }> {
    const page = await context.newPage();
    const status = new Promise<number | undefined>((done) => {
      const timer = setTimeout(() => done(undefined), milliseconds);
      void page.exposeFunction("codeAutomationExit", (code: number) => {
        clearTimeout(timer);
        done(code);
      });
    });
    const said: string[] = [];
    await page.exposeFunction("codeAutomationLog", (_type: string, args: unknown[]) => {
      const line = format(...(args as [unknown]));
      said.push(line);
      said.splice(0, said.length - 20);
      // The workbench logs much else here.
      const own = /lathe: (.*)/.exec(line)?.[1];
      if (own !== undefined) console.log(own);
    });
    await page.goto(addressOf(server, options), { waitUntil: "commit" });
    try {
      return { status: await status, said };
    } finally {
      await page.close();
    }
  }

  async load(): Promise<void> {
    // Not "load": the workbench may continue loading for any length of time.
    await this.page.goto(this.address, { waitUntil: "commit" });
    await this.restored();
  }

  async reload(): Promise<void> {
    await this.page.reload({ waitUntil: "commit" });
    await this.restored();
  }

  private async restored(): Promise<void> {
    await this.page.locator(".monaco-workbench .part.statusbar").waitFor({ timeout: 60_000 });
    await this.page.locator(".activitybar .action-item").first().waitFor({ timeout: 60_000 });
  }

  /** Runs a command by its title in the palette. */
  async command(title: string): Promise<void> {
    await this.pick(`>${title}`, title, () => this.page.keyboard.press("F1"));
  }

  /** Opens a file of the folder by its name. */
  async openFile(name: string): Promise<void> {
    await this.pick(name, name.split("/").at(-1)!, () => this.page.keyboard.press("Control+p"));
  }

  private async pick(text: string, row: string, open: () => Promise<void>): Promise<void> {
    const input = this.page.locator(".quick-input-widget:visible input.input");
    for (let tries = 1; ; tries++) {
      try {
        // The focus may be inside a webview, which handles the key itself.
        await this.page.evaluate("document.activeElement?.blur()");
        await open();
        await input.waitFor({ timeout: 5_000 });
        await input.fill(text);
        await this.choose(row);
        return;
      } catch (thrown) {
        if (tries === 4) throw thrown;
        await this.page.keyboard.press("Escape");
      }
    }
  }

  /** Clicks the row of an open quick pick that contains the text. */
  async choose(row: string): Promise<void> {
    await this.page
      .locator(".quick-input-widget:visible .quick-input-list .monaco-list-row")
      .filter({ hasText: row })
      .first()
      .click({ timeout: 8_000 });
  }

  /** The Lathe side panel. */
  async openSidePanel(): Promise<void> {
    const shown = this.page.locator(".part.sidebar .composite.title").filter({ hasText: /lathe/i });
    if (await shown.isVisible()) return;
    // Opened by its command, since a badge covers the icon while something runs.
    await this.command("View: Show Lathe");
    await shown.waitFor();
  }

  /** The rows of all views of the side panel, or of the named one. */
  private rows(view?: string): Locator {
    const sidebar = this.page.locator(".part.sidebar");
    const heading = this.page.locator(`.pane-header[aria-label^="${view}"]`);
    const place = view === undefined ? sidebar : sidebar.locator(".pane").filter({ has: heading });
    return place.locator('[role="treeitem"]');
  }

  treeRow(text: string | RegExp, view?: string): Locator {
    return this.rows(view).filter({ hasText: text }).first();
  }

  /** The accessible name of each visible row. */
  async treeLabels(view?: string): Promise<readonly string[]> {
    const rows = await this.rows(view).all();
    return Promise.all(rows.map(async (row) => (await row.getAttribute("aria-label")) ?? ""));
  }

  /** Selects an entry of the context menu of a row of a tree. */
  async rowMenuAction(row: Locator, title: string): Promise<void> {
    await row.click({ button: "right" });
    const entry = this.page.locator(".monaco-menu .action-label", { hasText: title });
    await entry.waitFor();
    for (let tries = 1; ; tries++) {
      // A menu ignores clicks for a moment after it has opened.
      if (await entry.isVisible()) await entry.click({ timeout: 2_000 });
      try {
        await entry.waitFor({ state: "hidden", timeout: 1_000 });
        return;
      } catch (thrown) {
        if (tries === 10) throw thrown;
      }
    }
  }

  /** Presses a button that a row of a tree shows on hover. */
  async rowAction(row: Locator, title: string): Promise<void> {
    for (let tries = 1; ; tries++) {
      // The tooltip of another button may cover the row, and a row that is redrawn under a resting mouse shows no
      // buttons.
      await this.page.mouse.move(720, 4);
      await row.hover({ position: { x: 40, y: 10 } });
      try {
        await row.locator(`.action-label[aria-label^="${title}"]`).click({ timeout: 2_000 });
        return;
      } catch (thrown) {
        if (tries === 10) throw thrown;
      }
    }
  }

  /** Starts every cell of the active notebook. */
  async runAll(): Promise<void> {
    await this.page.locator(".notebook-toolbar-container").getByText("Run All").click();
  }

  /** Scrolls down the notebook until the cell with this text is in view, and past it to its output. */
  async scrollNotebookTo(text: string): Promise<void> {
    const cell = this.page.locator(".notebookOverlay .code-cell-row").filter({ hasText: text });
    const list = this.page.locator(".notebookOverlay .cell-list-container");
    for (let tries = 0; !(await cell.isVisible()); tries++) {
      if (tries === 200) throw new Error(`No cell with ${text} came into view.`);
      // Starts from the top again if a notebook that is still being drawn has ignored the keys.
      if (tries % 30 === 0) {
        await list.click({ position: { x: 10, y: 120 } });
        await this.page.keyboard.press("Control+Home");
      }
      await this.page.keyboard.press("ArrowDown");
      await this.page.waitForTimeout(150);
    }
    await this.page.keyboard.press("ArrowDown");
  }

  /** All outputs of the notebook, which share one page. */
  get outputs(): FrameLocator {
    return this.frame('iframe.webview.ready[src*="purpose=notebookRenderer"]:visible');
  }

  /**
   * The first and last step of the training loss in the visible output, from the table for screen readers;
   * zeros if there is none.
   */
  async curve(): Promise<{ readonly from: number; readonly to: number }> {
    const row = this.outputs.locator("table tr").filter({ hasText: "train/loss" }).first();
    if ((await row.count()) === 0) return { from: 0, to: 0 };
    const [, from = "", to = ""] = await row.locator("td").allTextContents();
    const step = (text: string) => Number(text.replace(/\D/g, ""));
    return { from: step(from), to: step(to) };
  }

  /** The page of the active panel. */
  get panel(): FrameLocator {
    return this.frame('iframe.webview.ready[src*="extensionId=lathe.lathe"]:not([src*="purpose="]):visible');
  }

  private frame(selector: string): FrameLocator {
    return this.page.frameLocator(selector).frameLocator("iframe#active-frame");
  }

  async notifications(): Promise<readonly string[]> {
    await this.command("Notifications: Show Notifications");
    return this.page.locator(".notification-list-item-message").allTextContents();
  }

  /** Presses a button of the notification that contains the text. */
  async notificationAction(text: string, title: string): Promise<void> {
    await this.command("Notifications: Show Notifications");
    await this.page
      .locator(".notifications-center .notification-list-item")
      .filter({ hasText: text })
      .getByRole("button", { name: title, exact: true })
      .click();
  }

  /** `kind` is the class that VS Code sets for the current theme: `vs`, `vs-dark`, `hc-black`. */
  async theme(name: string, kind: string): Promise<void> {
    await this.pick(">Preferences: Color Theme", "Preferences: Color Theme", () =>
      this.page.keyboard.press("F1"),
    );
    await this.page.locator(".quick-input-widget:visible input.input").fill(name);
    await this.choose(name);
    await this.page.locator(`.monaco-workbench.${kind}`).waitFor();
    // Pages receive it later than the workbench.
    await this.page.waitForTimeout(1000);
  }

  async screenshot(name: string): Promise<void> {
    const folder = resolve("test-results/vscode");
    mkdirSync(folder, { recursive: true });
    await this.page.screenshot({ path: join(folder, `${name}.png`) });
  }
}

function addressOf(server: Server, { folder, extension, tests }: WindowOptions): string {
  const remote = (path: string) => `vscode-remote://127.0.0.1:${server.port}${path}`;
  const payload: [string, string][] = [];
  if (extension !== undefined) payload.push(["extensionDevelopmentPath", remote(extension)]);
  if (tests !== undefined) payload.push(["extensionTestsPath", remote(tests)]);
  const query = new URLSearchParams({ folder });
  if (payload.length > 0) query.set("payload", JSON.stringify(payload));
  return `http://127.0.0.1:${server.port}/?${query.toString()}`;
}
