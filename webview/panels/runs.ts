/** The page of the panel Runs. */
import { startPanel } from "../kit/stage";
import { RunsPage, type RunsState } from "../tables/runsPage";
import { runsStyles } from "../tables/runsStyles";

void startPanel<"runs", RunsState>("runs", [runsStyles], (page, stage) => new RunsPage(page, stage));
