/** A panel is one file in `panels/` here, which says what its page may ask, and one in `webview/panels/`: the page. */
import type { Events, Requests } from "../../protocol/backend";

export interface Panel {
  readonly title: string;
  /** File in media/, with a `-light` and a `-dark` form. */
  readonly icon: string;
  /** What the page may ask of the backend; anything else is refused. */
  readonly requests: readonly (keyof Requests)[];
  readonly events: readonly (keyof Events)[];
}

export function definePanel(panel: Panel): Panel {
  return panel;
}
