/** Keeps recent tokens and random earlier ones: the control that every score has to beat. */
import * as z from "zod";
import { scalar } from "../graph/op";
import { where } from "../graph/ops/elementwise";
import { budgetKey, requireRoom } from "./budget";
import { defineCachePolicy } from "./policy";
import { countRecent, recentKey } from "./recent";

const options = z.strictObject({ ...budgetKey, ...recentKey });

export default defineCachePolicy<z.output<typeof options>>({
  title: "Random tokens",
  options,
  samples: [{ budget: 5 }],
  protect: (own, budget) => requireRoom("random", budget, { sinks: 0, recent: countRecent(own, budget) }),
  // Drawn once, by the token's own query.
  weigh: ({ own, noise }) => where(own, noise(), scalar(0)),
});
