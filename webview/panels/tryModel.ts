/** The page of the panel Try Model. */
import { startPanel } from "../kit/stage";
import { TryModelPage, type TryModelState } from "../tryModel/tryModelPage";
import { tryModelStyles } from "../tryModel/tryModelStyles";

void startPanel<"tryModel", TryModelState>(
  "tryModel",
  [tryModelStyles],
  (page, stage) => new TryModelPage(page, stage),
);
