/** The page of the panel Weights. */
import { startPanel } from "../kit/stage";
import { WeightsPage, type WeightsState } from "../weights/weightsPage";
import { weightsStyles } from "../weights/weightsStyles";

void startPanel<"weights", WeightsState>(
  "weights",
  [weightsStyles],
  (page, stage) => new WeightsPage(page, stage),
);
