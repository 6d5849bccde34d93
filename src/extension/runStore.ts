/** The host's copy of the run summaries, kept current by `runsChanged`: what views, badges and context keys read. */
import * as vscode from "vscode";
import type { Unsubscribe } from "../protocol/connection";
import { compareNewestFirst, isActive } from "../protocol/run";
import type { RunSummary } from "../protocol/service/runs";
import type { RestartableBackend } from "./backendProcess";

export interface RunChange {
  readonly changed: readonly RunSummary[];
  readonly removed: readonly string[];
}

export interface RunStore {
  /** Undefined until the service has answered for the first time. The newest run comes first. */
  readonly all: readonly RunSummary[] | undefined;
  /** Resolves once there is an answer; asks again where the last attempt failed. */
  load(): Promise<readonly RunSummary[]>;
  get(folder: string): RunSummary | undefined;
  /** After every change; at most a few times a second. */
  readonly onDidChange: vscode.Event<RunChange>;
}

export function createRunStore(backend: RestartableBackend): RunStore & Unsubscribe {
  const emitter = new vscode.EventEmitter<RunChange>();
  const runs = new Map<string, RunSummary>();
  let all: readonly RunSummary[] | undefined;
  let loading: Promise<readonly RunSummary[]> | undefined;
  let lastContext = "";

  const applyChange = (change: RunChange): void => {
    for (const folder of change.removed) runs.delete(folder);
    for (const run of change.changed) runs.set(run.folder, run);
    all = [...runs.values()].sort(compareNewestFirst);
    updateContext(all);
    emitter.fire(change);
  };

  /** The context keys of `when` clauses; set only when they change. */
  const updateContext = (current: readonly RunSummary[]): void => {
    const values: Readonly<Record<string, boolean>> = {
      "lathe.hasRuns": current.length > 0,
      "lathe.hasActiveRun": current.some(isActive),
    };
    const serialized = JSON.stringify(values);
    if (serialized === lastContext) return;
    lastContext = serialized;
    for (const [key, value] of Object.entries(values))
      void vscode.commands.executeCommand("setContext", key, value);
  };

  const fetch = async (): Promise<readonly RunSummary[]> => {
    const { runs: current } = await backend.request("runs.list", {});
    const folders = new Set(current.map(({ folder }) => folder));
    applyChange({ changed: current, removed: [...runs.keys()].filter((folder) => !folders.has(folder)) });
    return all ?? [];
  };

  const load = (): Promise<readonly RunSummary[]> => {
    loading ??= fetch();
    // The next one who asks tries again; who waits now hears of the failure.
    loading.catch(() => (loading = undefined));
    return loading.then(() => all ?? []);
  };

  const subscriptions = [
    // Before the first answer a change would look like the whole of it.
    backend.on("runsChanged", (change) => {
      if (all !== undefined) applyChange(change);
    }),
    backend.onRestart(() => {
      loading = undefined;
      // A service that fails again reports it itself.
      load().catch(() => undefined);
    }),
    emitter,
  ];

  return {
    get all() {
      return all;
    },
    load,
    get: (folder) => runs.get(folder),
    onDidChange: emitter.event,
    dispose: () => subscriptions.forEach((subscription) => subscription.dispose()),
  };
}
