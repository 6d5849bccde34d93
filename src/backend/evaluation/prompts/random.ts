/** Keeps random words: the control that every score has to beat. */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import * as z from "zod";
import { mixSeed } from "../generatedText";
import { promptKeys } from "./budget";
import { definePromptPolicy } from "./promptPolicy";

const options = z.strictObject(promptKeys);

export default definePromptPolicy<z.output<typeof options>>({
  title: "Random words",
  options,
  samples: [{ budget: 0.5 }],
  score: (words, _options, _reader, { seed }, index) => {
    const random = xoroshiro128plus(mixSeed(seed, index));
    return Promise.resolve(words.map(() => uniformFloat64(random)));
  },
});
