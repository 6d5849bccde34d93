/** The real service of a window with real run folders, called like by its connection. */
import type { Events, HostRequests, Requests } from "../../../src/protocol/backend";
import { createHandlers } from "../../../src/backend/handlers";
import { WindowService } from "../../../src/backend/service/windowService";
import { RunFolder } from "../../../src/backend/runs/folder/runFolder";
import { getWorkspaceRunsFolder } from "../../../src/backend/runs/folder/runLocation";
import type { RunState } from "../../../src/protocol/run";
import { loopPlan, newWorkspace } from "../runs/workbench";

type Name = Exclude<keyof Requests, "workspace.open">;

export interface Heard<K extends keyof Events = keyof Events> {
  readonly name: K;
  readonly payload: Events[K];
}

/** A window with its own workspace. */
export class Window {
  readonly workspace = newWorkspace();
  readonly heard: Heard[] = [];
  /** What the settings and the Python extension of the window name. */
  python: HostRequests["python.interpreter"]["result"] = {};
  /** The files for which the service has asked for it; undefined for none in particular. */
  readonly askedForPython: (string | undefined)[] = [];
  readonly service = new WindowService(
    (name, payload) => {
      this.heard.push({ name, payload });
      this.onEvent?.(name, payload);
    },
    async (file) => {
      this.askedForPython.push(file);
      return this.python;
    },
  );
  private readonly handlers = this.service.whenOpen(createHandlers(this.service));

  constructor(private readonly onEvent?: <K extends keyof Events>(name: K, payload: Events[K]) => void) {}

  async open({ trusted = true, experiments = [] as readonly string[] } = {}): Promise<this> {
    await this.service.open({ folders: [this.workspace], experiments, trusted });
    return this;
  }

  async ask<K extends Name>(
    name: K,
    params: Requests[K]["params"],
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Requests[K]["result"]> {
    const handler = this.handlers[name] as (
      params: Requests[K]["params"],
      call: { readonly signal: AbortSignal },
    ) => Promise<Requests[K]["result"]>;
    return await handler(params, { signal });
  }

  events<K extends keyof Events>(name: K): readonly Events[K][] {
    return this.heard.flatMap((each) => (each.name === name ? [each.payload as Events[K]] : []));
  }

  /** The folder of a run without a process, found by the window. */
  async run(state: RunState = "done", name = "run"): Promise<string> {
    const folder = RunFolder.create(getWorkspaceRunsFolder(this.workspace), loopPlan({}, name), { state });
    await this.service.runs.rescan();
    return folder.path;
  }
}
