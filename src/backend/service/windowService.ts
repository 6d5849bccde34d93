/** The service of a window: the state that its handlers share, and the loading they wait for. */
import type { Events, HostRequests, Requests } from "../../protocol/backend";
import type { Call } from "../../protocol/connection";
import { WorkbenchError } from "../../protocol/errors";
import type { SchemaCatalog } from "../../schema/experiment";
import { AlertWatch } from "./runs/alertWatch";
import { LiveRunIndex } from "./runs/liveRunIndex";
import type { Service } from "./service";

/** Requests that need no runs, or only the newest, since thousands of older ones take a while to read. */
const withoutRuns: ReadonlySet<string> = new Set<keyof Requests>([
  "runs.list",
  "runs.start",
  "experiment.outline",
  "experiment.check",
  "experiment.complete",
  "experiment.hover",
  "experiment.lenses",
  "models.formats",
  "devices.list",
  "views.list",
  "views.save",
  "views.rename",
  "views.delete",
]);

type NamedPython = HostRequests["python.interpreter"]["result"];

type AnyHandler = (params: never, call: Call) => unknown;

export class WindowService implements Service {
  readonly runs: LiveRunIndex;
  private readonly alerts: AlertWatch;
  folders: readonly string[] = [];
  experiments: readonly string[] = [];
  private trusted = false;
  private opened: Promise<void> | undefined;
  private readonly tasks = new Set<Promise<unknown>>();

  constructor(
    readonly emit: <K extends keyof Events>(name: K, payload: Events[K]) => void,
    private readonly askForPython: (file?: string) => Promise<NamedPython>,
  ) {
    const warn = (message: string) => emit("logged", { level: "warning", message });
    this.runs = new LiveRunIndex(warn);
    this.runs.onChange((changes) => emit("runsChanged", changes));
    this.alerts = new AlertWatch(this.runs, { raise: (alert) => emit("alertRaised", alert), warn });
  }

  open(params: Requests["workspace.open"]["params"]): Promise<void> {
    ({ folders: this.folders, experiments: this.experiments, trusted: this.trusted } = params);
    const opened = this.runs.open(params).then(() => this.alerts.begin());
    // Runs of folders added later arrive as changes, so only the first opening delays requests.
    this.opened ??= opened;
    opened.catch(() => (this.opened = undefined));
    return opened;
  }

  requireTrust(what: string): void {
    if (this.trusted) return;
    throw new WorkbenchError(
      "unsupported",
      `${what} is only possible in a trusted workspace. Run "Workspaces: Manage Workspace Trust" to trust this one.`,
    );
  }

  async adoptPython(file?: string): Promise<void> {
    this.requireTrust("Starting Python");
    const { setting, selected } = await this.askForPython(file);
    // Read by `findInterpreter`, here and in the processes that are started from here.
    const variables = { LATHE_PYTHON_SETTING: setting, LATHE_PYTHON_SELECTED: selected };
    for (const [name, value] of Object.entries(variables))
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
  }

  async catalog(): Promise<SchemaCatalog> {
    const { schemaCatalog } = await import("../schemaCatalog");
    return schemaCatalog;
  }

  finish<T>(task: Promise<T>): Promise<T> {
    this.tasks.add(task);
    return task.finally(() => this.tasks.delete(task));
  }

  /** Resolves when all work passed to `finish` has ended. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.tasks);
  }

  /** Wraps the handlers so that each waits until the runs it may name are known. */
  whenOpen<H extends object>(handlers: H): H {
    const waiting = Object.entries(handlers).map(([name, handler]: [string, AnyHandler]) => {
      const answer: AnyHandler = async (params, call) => {
        if (this.opened === undefined)
          throw new WorkbenchError("invalid-input", `Send workspace.open before ${name}.`);
        await this.opened;
        if (!withoutRuns.has(name)) await this.runs.known(listNamedRuns(params));
        return handler(params, call);
      };
      return [name, answer];
    });
    return Object.fromEntries(waiting) as H;
  }
}

/** The runs that a request names; undefined if it may concern any. */
function listNamedRuns(params: unknown): readonly string[] | undefined {
  const { run, runs, queries, series } = params as Partial<{
    readonly run: string;
    readonly runs: readonly string[];
    readonly queries: readonly { readonly run: string }[];
    readonly series: readonly { readonly run: string }[];
  }>;
  return run === undefined ? (runs ?? (queries ?? series)?.map((each) => each.run)) : [run];
}
