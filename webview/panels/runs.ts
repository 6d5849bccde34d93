/** The page of the panel Runs. */
import { startPanel } from "../kit/stage";
import { RunsPage } from "../tables/runsPage";
import type { RunsState } from "../tables/runsState";
import { runsStyles } from "../tables/runsStyles";
import { viewStyles } from "../views/viewStyles";

void startPanel<"runs", RunsState>(
  "runs",
  [runsStyles, viewStyles],
  (page, stage) => new RunsPage(page, stage),
);
