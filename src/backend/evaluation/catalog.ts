/** Every metric by its file's name. Written by `npm run generate`. */
import type { AnyMetric } from "./metric";
import classification from "./classification";
import counts from "./counts";
import generate from "./generate";
import perplexity from "./perplexity";

export const metrics: Readonly<Record<string, AnyMetric>> = { classification, counts, generate, perplexity };
