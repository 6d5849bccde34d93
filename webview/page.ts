/** The page's end of the connection to its panel: whom every panel asks, and how it keeps what it shows over a reload. */
import { Connection, type Empty } from "../src/protocol/connection";
import { applyLook } from "./kit/look";
import type { Host, PageEvents, PageRequests, PanelId, PanelInputs, SharedLook } from "../src/protocol/page";

interface VsCodeApi {
  postMessage(message: unknown): void;
  setState(state: unknown): void;
  getState(): unknown;
}
declare function acquireVsCodeApi(): VsCodeApi;

export interface Page<P extends PanelId, S> {
  readonly host: Host;
  readonly input: PanelInputs[P];
  /** What all pages share, as it was when the page was opened. */
  readonly look: SharedLook;
  /** What `keep` was last given, before the window was reloaded. */
  readonly state: S | undefined;
  keep(state: S): void;
}

/** Resolves once the host has answered; called once, by the page's entry. */
export async function openPage<P extends PanelId, S>(_panel: P): Promise<Page<P, S>> {
  const api = acquireVsCodeApi();
  const host = connectHost({
    post: (message) => api.postMessage(message),
    listen: (listener) => addEventListener("message", ({ data }: MessageEvent<unknown>) => listener(data)),
  });
  const { input, state, look } = await host.request("page.ready", {});
  applyLook(look);
  host.on("lookChanged", applyLook);
  const savedState = api.getState() as { readonly state?: unknown } | undefined;
  // The panel's input travels along, since only the page's state survives a reload of the window.
  let current = { input, state: savedState?.state ?? state };
  const keep = (change: Partial<typeof current>) => api.setState((current = { ...current, ...change }));
  keep({});
  host.on("inputChanged", ({ input: changed }) => keep({ input: changed }));
  return {
    host,
    look,
    input: input as PanelInputs[P],
    state: (current.state ?? undefined) as S | undefined,
    keep: (next) => keep({ state: next }),
  };
}

/** Also for the notebook renderer, whose messages go another way. */
export function connectHost(channel: ConstructorParameters<typeof Connection>[0]): Host {
  const connection: Connection<PageRequests, PageEvents, Empty, Empty> = new Connection(
    channel,
    {},
    { onFault: (error) => void connection.request("page.log", { level: "error", message: error.message }) },
  );
  return connection;
}
