/** Every metric by its file's name. Written by `npm run generate`. */
import type { AnyMetric } from "./metric";
import cache from "./cache";
import calibration from "./calibration";
import classification from "./classification";
import counts from "./counts";
import decoding from "./decoding";
import exits from "./exits";
import generate from "./generate";
import latency from "./latency";
import longbench from "./longbench";
import masked from "./masked";
import perplexity from "./perplexity";
import regression from "./regression";
import repetition from "./repetition";
import representations from "./representations";
import retrieval from "./retrieval";
import robustness from "./robustness";
import savings from "./savings";
import tasks from "./tasks";

export const metrics: Readonly<Record<string, AnyMetric>> = {
  cache,
  calibration,
  classification,
  counts,
  decoding,
  exits,
  generate,
  latency,
  longbench,
  masked,
  perplexity,
  regression,
  repetition,
  representations,
  retrieval,
  robustness,
  savings,
  tasks,
};
