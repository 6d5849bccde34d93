/** Reads `generation_config.json`, the generation defaults of a published model: which tokens end a text and how to sample. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { readJson } from "./jsonFile";

const number = z.number().nullish();
const schema = z.looseObject({
  eos_token_id: z.union([z.int().min(0), z.array(z.int().min(0))]).nullish(),
  do_sample: z.boolean().nullish(),
  temperature: number,
  top_k: number,
  top_p: number,
  repetition_penalty: number,
  max_new_tokens: number,
});
export type GenerationConfig = z.output<typeof schema>;

export function readGenerationConfig(folder: string): GenerationConfig | undefined {
  const path = join(folder, "generation_config.json");
  return existsSync(path) ? readJson(path, schema) : undefined;
}

/** Options of a command line. Omitted options are undefined. */
export interface ExplicitOptions {
  readonly doSample?: boolean | undefined;
  readonly temperature?: number | undefined;
  readonly topK?: number | undefined;
  readonly topP?: number | undefined;
  readonly repetitionPenalty?: number | undefined;
  readonly maxNewTokens?: number | undefined;
  readonly stopTokenIds?: readonly number[] | undefined;
}

export interface GenerationDefaults {
  /** The options that the file adds. */
  readonly options: ExplicitOptions;
  /** One line that lists the added options and the settings that are not applied; undefined if there are none. */
  readonly notice: string | undefined;
}

/** Settings that change the text but are not implemented, with the value that has no effect. */
const unsupported: Readonly<Record<string, unknown>> = {
  num_beams: 1,
  no_repeat_ngram_size: 0,
  min_length: 0,
  min_new_tokens: 0,
  typical_p: 1,
  min_p: 0,
  penalty_alpha: 0,
  bad_words_ids: null,
  suppress_tokens: null,
  begin_suppress_tokens: null,
  forced_bos_token_id: null,
  forced_eos_token_id: null,
  sequence_bias: null,
};

/** The command line has precedence. The temperature and limits of the file apply only when tokens are sampled. */
export function resolveGenerationDefaults(
  file: GenerationConfig | undefined,
  explicitOptions: ExplicitOptions,
): GenerationDefaults {
  if (file === undefined) return { options: {}, notice: undefined };
  const hasSamplingOption = [explicitOptions.temperature, explicitOptions.topK, explicitOptions.topP].some(
    (value) => value !== undefined,
  );
  const samples = explicitOptions.doSample ?? (hasSamplingOption || file.do_sample === true);
  const from = <K extends keyof ExplicitOptions>(key: K, value: ExplicitOptions[K] | null) =>
    explicitOptions[key] === undefined && value !== undefined && value !== null ? { [key]: value } : {};
  const added: ExplicitOptions = {
    ...(samples && file.do_sample === true ? from("doSample", true) : {}),
    ...(samples ? from("temperature", file.temperature) : {}),
    ...(samples ? from("topK", file.top_k) : {}),
    ...(samples ? from("topP", file.top_p) : {}),
    ...from("repetitionPenalty", file.repetition_penalty),
    ...from("maxNewTokens", file.max_new_tokens),
  };
  const ends = [file.eos_token_id ?? []].flat();
  const details = Object.entries(added).map(
    ([key, value]) => `${key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)} ${String(value)}`,
  );
  if (ends.length > 0) details.push(`stop at token ${ends.join(" or ")}`);
  const ignored = Object.entries(unsupported).flatMap(([key, none]) => {
    const value = file[key];
    return value === undefined || value === null || value === none ? [] : [key];
  });
  const parts = [
    ...(details.length === 0 ? [] : [`From generation_config.json: ${details.join(", ")}.`]),
    ...(ignored.length === 0 ? [] : [`Not applied: ${ignored.join(", ")}.`]),
  ];
  return {
    options: {
      ...added,
      ...(ends.length === 0 ? {} : { stopTokenIds: [...(explicitOptions.stopTokenIds ?? []), ...ends] }),
    },
    notice: parts.length === 0 ? undefined : parts.join(" "),
  };
}
