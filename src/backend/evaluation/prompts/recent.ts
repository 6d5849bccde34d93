/** Keeps the last words, as a context that is too long is usually cut. */
import * as z from "zod";
import { promptKeys } from "./budget";
import { definePromptPolicy } from "./promptPolicy";

const options = z.strictObject(promptKeys);

export default definePromptPolicy<z.output<typeof options>>({
  title: "The last words",
  options,
  samples: [{ budget: 0.25 }],
  score: (words) => Promise.resolve(words.map((_, i) => i)),
});
