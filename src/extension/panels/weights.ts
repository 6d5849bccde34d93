/** Distributions and pictures of weights, by role. */
import { definePanel } from "./panel";

export default definePanel({
  title: "Weights",
  icon: "weights",
  requests: [
    "runs.list",
    "models.list",
    "weights.roles",
    "weights.histogram",
    "weights.heatMap",
    "weights.correlation",
  ],
  events: ["runsChanged"],
});
