/** The entry of the notebook's renderer: the outputs of all cells of a notebook, each kept as long as it is shown. */
import type { ActivationFunction, RendererContext } from "vscode-notebook-renderer";
import type { CellOutput } from "../../src/protocol/cellOutput";
import { LruCache } from "../../src/protocol/lruCache";
import type { Host } from "../../src/protocol/page";
import { type BoardState } from "../charts/chartBoard";
import { defaultView, type View } from "../kit/drawing";
import { applyLook } from "../kit/look";
import { connectHost } from "../page";
import { CellView } from "./cellView";

/** What outputs that come later begin with. */
interface RendererState {
  readonly view: View;
}

/** Outputs that scroll out of sight may be thrown away and drawn again: so many keep what a person had chosen. */
const rememberedLimit = 200;

export const activate: ActivationFunction<RendererState> = (context) => {
  const host = createHost(context);
  const views = new Map<string, CellView>();
  host?.on("lookChanged", applyLook);
  // Without an answer, charts look as usual.
  host?.request("page.look", {}).then(applyLook, () => undefined);
  const remembered = new LruCache<BoardState>({ limit: rememberedLimit });

  const remember = (id: string, state: BoardState) => {
    remembered.set(id, state);
    context.setState({ view: { ...state.view, range: undefined } });
  };
  const dispose = (id: string) => {
    views.get(id)?.dispose();
    views.delete(id);
  };

  return {
    renderOutputItem(item, element) {
      const { id } = item;
      const output = item.json() as CellOutput;
      const existing = views.get(id);
      if (existing?.element === element) {
        existing.show(output);
        return;
      }
      dispose(id);
      const state = remembered.get(id) ?? { view: context.getState()?.view ?? defaultView, hidden: [] };
      const view = new CellView(element, host, state, (changed) => remember(id, changed));
      views.set(id, view);
      view.show(output);
    },
    disposeOutputItem(id) {
      if (id === undefined) for (const each of [...views.keys()]) dispose(each);
      else dispose(id);
    },
  };
};

/** Undefined where the notebook's page has nobody to talk to, as when it is shown without its extension. */
function createHost(context: RendererContext<RendererState>): Host | undefined {
  if (context.postMessage === undefined || context.onDidReceiveMessage === undefined) return undefined;
  return connectHost({
    post: (message) => context.postMessage?.(message),
    listen: (listener) => void context.onDidReceiveMessage?.((message: unknown) => listener(message)),
  });
}
