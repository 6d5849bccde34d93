/**
 * Connects a page to the backend: forwards the requests and events on the page's lists and refuses all others. Does not
 * import vscode.
 */
import type { Backend, Events, Requests } from "../../protocol/backend";
import {
  type Call,
  type Channel,
  Connection,
  type Handlers,
  type Empty,
  type Unsubscribe,
} from "../../protocol/connection";
import { toWorkbenchError, WorkbenchError } from "../../protocol/errors";
import type { PageEvents, PageRequests } from "../../protocol/page";
import { t } from "../l10n";

export interface RelayOptions {
  readonly channel: Channel;
  readonly backend: Backend & { onRestart(listener: () => void): Unsubscribe };
  /** What the page may ask of the backend. */
  readonly requests: readonly (keyof Requests)[];
  readonly events: readonly (keyof Events)[];
  /** What the host answers by itself; a request that is neither here nor among `requests` is refused. */
  readonly host: Partial<Handlers<PageRequests>>;
  readonly onFault: (error: WorkbenchError) => void;
}

export interface ConnectedPage extends Unsubscribe {
  readonly emit: <K extends keyof PageEvents>(name: K, payload: PageEvents[K]) => void;
}

export function connectPage({
  channel,
  backend,
  requests,
  events,
  host,
  onFault,
}: RelayOptions): ConnectedPage {
  const handlers: Partial<Record<keyof PageRequests, unknown>> = { ...host };
  for (const name of requests)
    handlers[name] ??= (params: Requests[typeof name]["params"], { signal }: Call) =>
      backend.request(name, params, signal);
  const watchers = new Set<string>();
  if (requests.includes("metrics.watch"))
    handlers["metrics.watch"] = (params: Requests["metrics.watch"]["params"], { signal }: Call) => {
      watchers.add(params.watcher);
      return backend.request("metrics.watch", params, signal);
    };
  // Total as far as the page is concerned: the connection refuses whatever has no handler.
  const connection = new Connection<Empty, Empty, PageRequests, PageEvents>(
    channel,
    handlers as Handlers<PageRequests>,
    { onFault },
  );
  const subscriptions = [
    ...events.map((name) => backend.on(name, (payload) => connection.emit(name, payload))),
    backend.onRestart(() => connection.emit("backendRestarted", {})),
  ];
  return {
    emit: (name, payload) => connection.emit(name, payload),
    dispose() {
      for (const each of subscriptions) each.dispose();
      connection.end(new WorkbenchError("cancelled", t("The page was closed.")));
      // A page that is destroyed has no time to unsubscribe.
      for (const watcher of watchers)
        backend.request("metrics.watch", { watcher, series: [] }).catch((thrown: unknown) => {
          const error = toWorkbenchError(thrown);
          // With the window, the service ends as well.
          if (error.code !== "cancelled") onFault(error);
        });
    },
  };
}
