/** Every metric by its file's name. Generated from the folder; a test fails when an entry is missing. */
import type { AnyMetric } from "./metric";
import counts from "./counts";
import generate from "./generate";
import perplexity from "./perplexity";

export const metrics: Readonly<Record<string, AnyMetric>> = { counts, generate, perplexity };
