/** The page of the panel Shrink. */
import { startPanel } from "../kit/stage";
import { ShrinkPage, type ShrinkState } from "../shrink/shrinkPage";
import { shrinkStyles } from "../shrink/shrinkStyles";

void startPanel<"shrink", ShrinkState>(
  "shrink",
  [shrinkStyles],
  (page, stage) => new ShrinkPage(page, stage),
);
