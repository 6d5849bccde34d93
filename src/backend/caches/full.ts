/** The cache without a policy: keys and values of all tokens. */
import * as z from "zod";
import { defineCachePolicy } from "./policy";

export default defineCachePolicy({
  title: "All tokens",
  options: z.strictObject({}),
  samples: [{}],
  keepsAll: true,
  protect: (_, budget) => ({ sinks: 0, recent: budget }),
});
