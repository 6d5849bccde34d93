/** Every prompt policy by its file's name. Written by `npm run generate`. */
import type { AnyPromptPolicy } from "./promptPolicy";
import random from "./random";
import recent from "./recent";
import selective from "./selective";
import semantic from "./semantic";
import summary from "./summary";

export const promptPolicies: Readonly<Record<string, AnyPromptPolicy>> = {
  random,
  recent,
  selective,
  semantic,
  summary,
};
