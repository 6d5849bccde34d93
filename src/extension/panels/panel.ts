/** A panel is one file in `panels/` here, which lists what its page may request, and one in `webview/panels/`: the page. */
import type { Backend, Events, Requests } from "../../protocol/backend";
import type { PanelId, PanelInputs } from "../../protocol/page";

export interface Panel<P extends PanelId = PanelId> {
  readonly title: string;
  /** File in media/, with a `-light` and a `-dark` form. */
  readonly icon: string;
  /** What the page may ask of the backend; anything else is refused. */
  readonly requests: readonly (keyof Requests)[];
  readonly events: readonly (keyof Events)[];
  /** What the page will ask for that takes a while: begun while VS Code still loads the page. */
  prepare?(backend: Backend, input: PanelInputs[P]): Promise<unknown>;
}

export function definePanel<P extends PanelId>(panel: Panel<P>): Panel<P> {
  return panel;
}
