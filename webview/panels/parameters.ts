/** The page of the panel Parameters. */
import { startPanel } from "../kit/stage";
import { SizesPage, type SizesState } from "../sizes/sizesPage";
import { sizesStyles } from "../sizes/sizesStyles";

void startPanel<"parameters", SizesState>(
  "parameters",
  [sizesStyles],
  (page, stage) => new SizesPage(page, stage),
);
