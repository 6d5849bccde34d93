/**
 * The backend service as a child of the extension host: started by the first request and restarted after a crash. Does
 * not import vscode, so that it can be tested with real processes.
 */
import { type ChildProcess, fork } from "node:child_process";
import { createInterface } from "node:readline";
import type { Backend, Events, HostRequests, Requests } from "../protocol/backend";
import { Connection, type Empty, type Handlers, type Unsubscribe } from "../protocol/connection";
import { toWorkbenchError, WorkbenchError } from "../protocol/errors";
import type { Log } from "./log";
import { createRestartPolicy, type RestartPolicy } from "./restartPolicy";
import { t } from "./l10n";

/** A backend that comes back after it died. */
export interface RestartableBackend extends Backend {
  /** The service was restarted: watches must be requested again. Event listeners remain. */
  onRestart(listener: () => void): Unsubscribe;
  /** Restarts the service, even after automatic restarts have stopped. */
  restart(): Promise<void>;
}

export interface BackendOptions {
  /** The bundled program of the service. */
  readonly program: string;
  /** The Node executable to run it with, asked for at every start. */
  executable(): string;
  /** The parameters of `workspace.open` at every start, so that the runs of the folders are listed without a search. */
  folders(): Requests["workspace.open"]["params"];
  /** The parameters of `workspace.open` after the start, and after each change. */
  workspace(): Promise<Requests["workspace.open"]["params"]>;
  /** Answers what the service asks. */
  readonly host: Handlers<HostRequests>;
  readonly log: Log;
  /** It died, once for each death. `givenUp` means that it is not started again before `restart`. */
  onCrash(error: WorkbenchError, givenUp: boolean): void;
  readonly policy?: RestartPolicy;
}

type ServiceConnection = Connection<Requests, Events, HostRequests, Empty>;

interface Running {
  readonly child: ChildProcess;
  readonly connection: ServiceConnection;
  /** Resolves when the workspace is open, so that a request finds the runs. */
  readonly ready: Promise<ServiceConnection>;
}

export class BackendProcess implements RestartableBackend {
  private readonly policy: RestartPolicy;
  private readonly listeners = new Map<keyof Events, Set<(payload: never) => void>>();
  private readonly restartListeners = new Set<() => void>();
  private running: Running | undefined;
  private startError: WorkbenchError | undefined;
  private restartTimer: NodeJS.Timeout | undefined;
  private starts = 0;
  private disposed = false;

  constructor(private readonly options: BackendOptions) {
    this.policy = options.policy ?? createRestartPolicy();
    this.on("logged", ({ level, message }) => options.log(level, message));
  }

  async request<K extends keyof Requests>(
    name: K,
    params: Requests[K]["params"],
    signal?: AbortSignal,
  ): Promise<Requests[K]["result"]> {
    const connection = await this.start();
    return connection.request(name, params, signal);
  }

  /** The listener stays through restarts. */
  on<K extends keyof Events>(name: K, listener: (payload: Events[K]) => void): Unsubscribe {
    let registered = this.listeners.get(name);
    if (registered === undefined) {
      this.listeners.set(name, (registered = new Set()));
      if (this.running !== undefined) this.forward(this.running.connection, name);
    }
    registered.add(listener);
    return { dispose: () => void registered.delete(listener) };
  }

  onRestart(listener: () => void): Unsubscribe {
    this.restartListeners.add(listener);
    return { dispose: () => void this.restartListeners.delete(listener) };
  }

  /** Reports changed folders, experiments or trust to a running service. A stopped one receives them when it starts. */
  async reopen(): Promise<void> {
    if (this.running === undefined) return;
    const connection = await this.running.ready;
    await connection.request("workspace.open", await this.options.workspace());
  }

  async restart(): Promise<void> {
    this.policy.forget();
    this.startError = undefined;
    this.end(new WorkbenchError("cancelled", t("The backend service is being restarted.")));
    await this.start();
  }

  dispose(): void {
    this.disposed = true;
    this.end(new WorkbenchError("cancelled", t("The window is being closed.")));
  }

  private end(reason: WorkbenchError): void {
    clearTimeout(this.restartTimer);
    this.restartTimer = undefined;
    const { running } = this;
    this.running = undefined;
    running?.connection.end(reason);
    if (running === undefined) return;
    const { child } = running;
    child.kill();
    // One that is caught in a loop hears no signal but this.
    const killTimer = setTimeout(() => child.kill("SIGKILL"), 5000).unref();
    child.once("exit", () => clearTimeout(killTimer));
  }

  private start(): Promise<ServiceConnection> {
    if (this.disposed)
      return Promise.reject(new WorkbenchError("cancelled", t("The window is being closed.")));
    if (this.startError !== undefined) return Promise.reject(this.startError);
    clearTimeout(this.restartTimer);
    this.restartTimer = undefined;
    this.running ??= this.spawn();
    return this.running.ready;
  }

  private spawn(): Running {
    const child = fork(this.options.program, [], {
      execPath: this.options.executable(),
      // The debugger's port of the host is taken already.
      execArgv: [],
      // Keeps what JSON loses: numbers that are none, and keys without a value.
      serialization: "advanced",
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: { ...process.env, ELECTRON_RUN_AS_NODE: "1", ORT_DISABLE_TELEMETRY: "1" },
    });
    const connection: ServiceConnection = new Connection(
      {
        post: (message) =>
          void child.send(message as object, (error) => {
            if (error !== null)
              this.options.log("warning", `Could not send a message to the service: ${error.message}`);
          }),
        listen: (listener) => child.on("message", listener),
      },
      this.options.host,
      { onFault: (error) => this.options.log("error", error.stack ?? error.message) },
    );
    for (const name of this.listeners.keys()) this.forward(connection, name);
    const errorOutput: string[] = [];
    createInterface({ input: child.stdout! }).on("line", (line) => this.options.log("info", line));
    createInterface({ input: child.stderr! }).on("line", (line) => {
      this.options.log("warning", line);
      errorOutput.push(line);
      errorOutput.splice(0, errorOutput.length - 20);
    });
    const running: Running = { child, connection, ready: this.open(connection) };
    // A service that cannot open the workspace is of no use: the next request tries another.
    running.ready.catch((error: unknown) => {
      if (this.running === running) this.end(toWorkbenchError(error));
    });
    child.once("error", (error) =>
      this.handleExit(running, t("could not be started: {0}", error.message), errorOutput),
    );
    child.once("exit", (status, signal) => {
      const cause = signal === null ? t("with status {0}", status ?? "unknown") : t("by {0}", signal);
      this.handleExit(running, t("ended unexpectedly, {0}", cause), errorOutput);
    });
    return running;
  }

  private async open(connection: ServiceConnection): Promise<ServiceConnection> {
    const opening = connection.request("workspace.open", this.options.folders());
    void this.findExperiments(connection);
    const { version, pid } = await opening;
    this.options.log("info", `The backend service ${version} runs as process ${pid}.`);
    // Not before the workspace is open: a listener asks at once for what it has to ask for again.
    if (++this.starts > 1)
      for (const listener of this.restartListeners) this.notify(listener, undefined as never);
    return connection;
  }

  /** Whatever comes of the search, the service has to hear the end of it: some requests wait for all experiments. */
  private async findExperiments(connection: ServiceConnection): Promise<void> {
    const fail = (thrown: unknown) => {
      const { code, message } = toWorkbenchError(thrown);
      if (code !== "cancelled") this.options.log("error", `Could not search for experiments: ${message}`);
    };
    const openedWorkspace = await this.options.workspace().catch(fail);
    const workspace = openedWorkspace ?? { ...this.options.folders(), searching: false };
    await connection.request("workspace.open", workspace).catch(fail);
  }

  private handleExit(running: Running, reason: string, errorOutput: readonly string[]): void {
    if (this.running !== running) return;
    this.running = undefined;
    const decision = this.policy.crashed(Date.now());
    const next = decision.again
      ? t("It is restarting; requests in progress must be repeated.")
      : t(
          "It is not restarted, because it crashed several times in a short time. See the log; the setting lathe.nodePath selects another Node to run it.",
        );
    const error = new WorkbenchError(
      "io",
      t("The backend service {0}. Runs continue without it. {1}", reason, next),
      {
        crash: true,
        lastWords: [...errorOutput],
      },
    );
    running.connection.end(error);
    if (decision.again)
      this.restartTimer = setTimeout(() => void this.start().catch(() => undefined), decision.delay);
    else
      this.startError = new WorkbenchError(
        "io",
        t(
          'The backend service is not running, because it {0} several times in a short time. Fix the cause, then run "Lathe: Restart Backend".',
          reason,
        ),
      );
    this.options.onCrash(error, !decision.again);
  }

  private forward(connection: ServiceConnection, name: keyof Events): void {
    connection.on(name, (payload) => {
      for (const listener of this.listeners.get(name) ?? []) this.notify(listener, payload as never);
    });
  }

  private notify(listener: (payload: never) => void, payload: never): void {
    try {
      listener(payload);
    } catch (thrown) {
      const error = toWorkbenchError(thrown);
      this.options.log("error", error.stack ?? error.message);
    }
  }
}
