/**
 * The pages as users see them: the bundled page in Chromium under the extension's own policy, connected by the
 * extension's own relay to the real service over real run folders. Only the editor around them is simulated.
 */
import { createServer, type Server } from "node:http";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { source as axeSource } from "axe-core";
import { build } from "esbuild";
import { type Browser, chromium, type Page } from "playwright-core";
import { bundle } from "../../scripts/bundle";
import { BackendProcess } from "../../src/extension/backendProcess";
import { connectPage, type ConnectedPage } from "../../src/extension/panels/relay";
import { type ChartSettings, type LookMemory, RunLooks } from "../../src/extension/panels/runLooks";
import type { Events, Requests } from "../../src/protocol/backend";
import type { CellOutput } from "../../src/protocol/cellOutput";
import type { PanelId, PanelInputs, PageEvents } from "../../src/protocol/page";
import { servePath } from "./servedPages";
import { type ThemeName, themes } from "./themes";

const executable = process.env.LATHE_CHROMIUM ?? "/usr/bin/chromium";

/** Why pages can't be tested here, for `skip`; undefined if they can. */
export const noChromium: string | undefined = existsSync(executable)
  ? undefined
  : `no ${executable}; on Debian: apt-get install chromium, elsewhere name a Chromium in LATHE_CHROMIUM`;

/** The folder of screenshots, for review. */
export const pictures = resolve("test-results/pages");

export interface PageOptions {
  readonly theme?: ThemeName;
  readonly width?: number;
  readonly height?: number;
  /** The state that the page saved when it was last open. */
  readonly state?: unknown;
  readonly reducedMotion?: boolean;
}

/** The requests of the page to the editor. */
export interface Asked {
  readonly saved: { name: string; content: { text: string } | { base64: string } }[];
  readonly commands: { command: string; runs: readonly string[] }[];
  readonly opened: { path: string }[];
  readonly panels: { panel: string; input: unknown }[];
  readonly logged: string[];
  readonly copied: string[];
  /** Files that were opened in the browser. */
  readonly browsed: string[];
}

export class PageHarness {
  private readonly pages: TestPage[] = [];
  /** Shared by all pages of the workspace, as the extension does it. */
  readonly looks = new RunLooks(
    new MemoryOfLooks(),
    async () => (await this.backend.request("runs.list", {})).runs,
    () => this.settings,
  );
  /** What the person has set; `looks.notify()` after a change. */
  settings: ChartSettings = {};

  private constructor(
    private readonly browser: Browser,
    private readonly server: Server,
    private readonly folder: string,
    readonly backend: BackendProcess,
    readonly log: string[],
  ) {}

  /** Opens the folder in a separate service. */
  static async open(workspace: string, experiments: readonly string[] = []): Promise<PageHarness> {
    const folder = resolve("node_modules/.cache/lathe-pages", String(process.pid));
    await bundle({ source: "src/backend/main.ts", file: "backend.cjs" }, folder);
    for (const [name, format] of [
      ["rendererStage", "esm"],
      ["editorStub", "iife"],
    ] as const)
      await build({
        entryPoints: [`test/webview/page/${name}.ts`],
        outfile: join(folder, `pages/${name}.js`),
        bundle: true,
        format,
        logLevel: "warning",
      });
    const log: string[] = [];
    const opened = { folders: [workspace], experiments, trusted: true };
    const backend = new BackendProcess({
      program: join(folder, "backend.cjs"),
      executable: () => process.execPath,
      folders: () => opened,
      workspace: async () => opened,
      host: { "python.interpreter": () => ({}) },
      log: (level, message) => log.push(`${level}: ${message}`),
      onCrash: (error) => log.push(`crash: ${error.message}`),
    });
    const browser = await chromium.launch({
      executablePath: executable,
      args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
    });
    const server = createServer((request, response) => {
      const path = new URL(request.url ?? "/", "http://localhost").pathname;
      const { type, body } = servePath(path, folder, request.headers.host ?? "");
      response.writeHead(body === undefined ? 404 : 200, { "content-type": type }).end(body);
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    return new PageHarness(browser, server, folder, backend, log);
  }

  /** The page of a panel, with the requests that `src/extension/panels/<panel>.ts` allows. */
  async panel<P extends PanelId>(
    panel: P,
    input: PanelInputs[P],
    options: PageOptions = {},
  ): Promise<TestPage> {
    await bundle(
      { source: `webview/panels/${panel}.ts`, file: `pages/${panel}.js`, browser: true },
      this.folder,
    );
    const { default: definition } = (await import(`../../src/extension/panels/${panel}.ts`)) as {
      default: { requests: readonly (keyof Requests)[]; events: readonly (keyof Events)[] };
    };
    return this.start(`/panel/${panel}`, { ...definition, input }, options);
  }

  /** The notebook's page with its renderer, empty; see `TestPage.showOutput`. */
  async renderer(options: PageOptions & { readonly messaging?: boolean } = {}): Promise<TestPage> {
    const file = "pages/renderer.js";
    await bundle({ source: "webview/renderer/renderer.ts", file, browser: true }, this.folder);
    const requests = ["metrics.series", "metrics.watch", "runs.results"] as const;
    const events = ["runsChanged", "metricsAppended"] as const;
    const path = options.messaging === false ? "/silent-notebook" : "/notebook";
    return this.start(path, { requests, events, input: undefined }, options);
  }

  async close(): Promise<void> {
    for (const page of this.pages) await page.close();
    this.backend.dispose();
    await this.browser.close();
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }

  private async start(path: string, allowed: Allowed, options: PageOptions): Promise<TestPage> {
    const { theme = "dark", width = 1000, height = 700, state, reducedMotion = false } = options;
    const context = await this.browser.newContext({
      viewport: { width, height },
      deviceScaleFactor: 2,
      reducedMotion: reducedMotion ? "reduce" : "no-preference",
    });
    const page = await context.newPage();
    const address = this.server.address() as AddressInfo;
    const test = new TestPage(
      page,
      join(this.folder, "pages/editorStub.js"),
      this.backend,
      allowed,
      state,
      this.looks,
    );
    this.pages.push(test);
    await test.open(`http://127.0.0.1:${address.port}${path}`, theme);
    return test;
  }
}

class MemoryOfLooks implements LookMemory {
  private readonly kept = new Map<string, unknown>();
  get(key: string): unknown {
    return this.kept.get(key);
  }
  async update(key: string, value: unknown): Promise<void> {
    this.kept.set(key, value);
  }
}

interface Allowed {
  readonly requests: readonly (keyof Requests)[];
  readonly events: readonly (keyof Events)[];
  readonly input: unknown;
}

interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
  }[];
}

export class TestPage {
  readonly asked: Asked = {
    saved: [],
    commands: [],
    opened: [],
    panels: [],
    logged: [],
    copied: [],
    browsed: [],
  };
  /** Errors that the page threw or that the policy caused; should be empty. */
  readonly faults: string[] = [];
  /** The answer of the person who is asked for a folder. */
  folder: string | undefined;
  private connected: ConnectedPage | undefined;
  private receive: ((message: unknown) => void) | undefined;

  constructor(
    readonly page: Page,
    private readonly stub: string,
    private readonly backend: BackendProcess,
    private readonly allowed: Allowed,
    private readonly state: unknown,
    private readonly looks: RunLooks,
  ) {
    looks.onChange((look) => this.emit("lookChanged", look));
  }

  async open(url: string, theme: ThemeName): Promise<void> {
    const { page } = this;
    page.on("pageerror", (error) => this.faults.push(error.stack ?? error.message));
    page.on("console", (message) => {
      // Pages of the editor have no icon, but a browser requests one.
      const { url } = message.location();
      if (message.type() === "error" && !url.endsWith("/favicon.ico")) this.faults.push(message.text());
    });
    await page.exposeFunction("lathePost", (message: unknown) => this.receive?.(message));
    await page.addInitScript(`window.latheTheme = ${JSON.stringify(themes[theme])}`);
    await page.addInitScript({ path: this.stub });
    this.connect();
    await page.goto(url);
  }

  /** Like a reload of the window: the page keeps its state, the connection is new. */
  async reload(): Promise<void> {
    this.connect();
    await this.page.reload();
  }

  /** Like the editor: new variables on the document, another class on the body. */
  async setTheme(theme: ThemeName): Promise<void> {
    await this.call("applyTheme", themes[theme]);
  }

  async showOutput(id: string, output: CellOutput): Promise<void> {
    await this.page.waitForFunction('"showOutput" in window');
    await this.call("showOutput", id, output);
  }

  async removeOutput(id: string): Promise<void> {
    await this.call("removeOutput", id);
  }

  emit<K extends keyof PageEvents>(name: K, payload: PageEvents[K]): void {
    this.connected?.emit(name, payload);
  }

  /** The violations that axe considers serious or worse, one per line. */
  async violations(): Promise<string[]> {
    await this.page.evaluate(axeSource);
    const results = await this.page.evaluate<AxeResults>("axe.run()");
    return results.violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary ?? ""}`));
  }

  /** The path of a picture in `test-results/pages`. */
  async screenshot(name: string): Promise<string> {
    mkdirSync(pictures, { recursive: true });
    const path = join(pictures, `${name}.png`);
    await this.page.screenshot({ path, fullPage: true });
    return path;
  }

  async close(): Promise<void> {
    this.connected?.dispose();
    await this.page.context().close();
  }

  /** A function of the page's window; its argument is passed as JSON, like everything that enters a webview. */
  private async call(name: string, ...given: readonly unknown[]): Promise<void> {
    await this.page.evaluate(`void window.${name}(${given.map((each) => JSON.stringify(each)).join(", ")})`);
  }

  private connect(): void {
    this.connected?.dispose();
    const { asked } = this;
    this.connected = connectPage({
      channel: {
        post: (message) => {
          void this.call("postMessage", message, "*").catch(() => undefined);
        },
        listen: (listener) => (this.receive = listener),
      },
      backend: this.backend,
      requests: this.allowed.requests,
      events: this.allowed.events,
      onFault: ({ message }) => this.faults.push(message),
      host: {
        "page.ready": async () => ({
          input: this.allowed.input,
          state: this.state,
          look: this.looks.look,
        }),
        "page.save": async ({ name, content }) => {
          asked.saved.push({ name, content });
          return { saved: true };
        },
        "page.pickFolder": async () => (this.folder === undefined ? {} : { path: this.folder }),
        "page.copy": async ({ text }) => {
          asked.copied.push(text);
          return {};
        },
        "page.openFile": async ({ path }) => {
          asked.opened.push({ path });
          return {};
        },
        "page.openInBrowser": async ({ path }) => {
          asked.browsed.push(path);
          return {};
        },
        "page.openPanel": async (wanted) => {
          asked.panels.push(wanted);
          return {};
        },
        "page.command": async ({ command, runs }) => {
          asked.commands.push({ command, runs });
          return {};
        },
        "page.slots": async ({ runs }) => ({ slots: await this.looks.getSlots(runs) }),
        "page.look": async () => this.looks.look,
        "page.setBaseline": async ({ run }) => {
          this.looks.setBaseline(run);
          return {};
        },
        "page.keepView": async ({ panel, view }) => {
          this.looks.keepView(panel, view);
          return {};
        },
        "page.log": async ({ message }) => {
          asked.logged.push(message);
          return {};
        },
      },
    });
  }
}
