import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createBytesTokenizer } from "../../../src/backend/data/tokenizers/bytes";
import { exportModel } from "../../../src/backend/exports/exportModel";
import {
  resolveGenerationDefaults,
  readGenerationConfig,
} from "../../../src/backend/imports/generationConfig";
import { importModel } from "../../../src/backend/imports/importModel";
import { drawModelTensors, createTemporaryFolder, createTinyShape } from "../../support/subject";

const file = { do_sample: true, temperature: 0.6, top_p: 0.9, eos_token_id: [5, 7], max_new_tokens: 9 };

it("supplies the options that the command line omits", () => {
  expect(resolveGenerationDefaults(file, { topP: 0.5 })).toEqual({
    options: { doSample: true, temperature: 0.6, maxNewTokens: 9, stopTokenIds: [5, 7] },
    notice:
      "From generation_config.json: do_sample true, temperature 0.6, max_new_tokens 9, stop at token 5 or 7.",
  });
  expect(resolveGenerationDefaults(undefined, {})).toEqual({ options: {}, notice: undefined });
});

it("samples only if the file or the command line enables it", () => {
  const { options } = resolveGenerationDefaults(file, { doSample: false, stopTokenIds: [1] });
  expect(options).toEqual({ maxNewTokens: 9, stopTokenIds: [1, 5, 7] });
  expect(resolveGenerationDefaults({ temperature: 0.6, top_k: 3 }, {}).options).toEqual({});
  expect(resolveGenerationDefaults({ temperature: 0.6, top_k: 3 }, { topK: 2 }).options).toEqual({
    temperature: 0.6,
  });
  expect(resolveGenerationDefaults({ repetition_penalty: 1.2, eos_token_id: 3 }, {}).options).toEqual({
    repetitionPenalty: 1.2,
    stopTokenIds: [3],
  });
});

it("lists the settings that are not applied, unless they have no effect", () => {
  expect(resolveGenerationDefaults({ num_beams: 4, min_length: 0, no_repeat_ngram_size: 3 }, {}).notice).toBe(
    "Not applied: num_beams, no_repeat_ngram_size.",
  );
});

it("is rejected with the file and the key if it is invalid", () => {
  using folder = createTemporaryFolder();
  writeFileSync(join(folder.path, "generation_config.json"), '{"temperature": "warm"}');
  expect(() => readGenerationConfig(folder.path)).toThrow(/generation_config.json.*[\s\S]*temperature/);
});

it("is imported and exported with the model and the tokenizer files", async () => {
  using folder = createTemporaryFolder();
  const shape = createTinyShape("gpt2");
  const [first, second] = [join(folder.path, "first"), join(folder.path, "second")];
  await exportModel(
    { shape, tensors: drawModelTensors(shape, 2), generationConfig: file },
    { format: "safetensors" },
    first,
  );
  const model = await importModel(first);
  expect(model.generationConfig).toEqual(file);
  const tokenizerFolder = join(folder.path, "tokenizer");
  mkdirSync(tokenizerFolder);
  writeFileSync(join(tokenizerFolder, "special_tokens_map.json"), '{"eos_token": "x"}');
  const wide = createTinyShape("gpt2", { vocab_size: 257 });
  const tensors = drawModelTensors(wide, 2);
  const subject = {
    shape: wide,
    tensors,
    tokenizer: createBytesTokenizer(),
    tokenizerFolder,
    generationConfig: file,
  };
  await exportModel(subject, { format: "safetensors" }, second);
  expect(readFileSync(join(second, "special_tokens_map.json"), "utf8")).toBe('{"eos_token": "x"}');
  expect(JSON.parse(readFileSync(join(second, "generation_config.json"), "utf8"))).toEqual(file);
});
