/** The page of the panel Charts. */
import { ChartsPage } from "../charts/chartsPage";
import { chartsPageStyles } from "../charts/chartsPageStyles";
import type { ChartsState } from "../charts/chartsState";
import { chartStyles } from "../charts/chartStyles";
import { startPanel } from "../kit/stage";

void startPanel<"charts", ChartsState>(
  "charts",
  [chartStyles, chartsPageStyles],
  (page, stage) => new ChartsPage(page, stage),
);
