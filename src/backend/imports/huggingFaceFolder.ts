/** Reads a model folder in the form that Hugging Face's libraries write: config.json beside one or several safetensors files. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { Shape } from "../graph/op";
import { bindTensors } from "../models/huggingFace";
import { familyOf, type ModelShape, shapeFromConfig } from "../models/model";
import { type HostTensor, type HostTensors, readSafetensors, readTensorSizes } from "../training/safetensors";
import type { ImportedModel } from "./importedModel";
import { readJson } from "./jsonFile";

const indexSchema = z.object({
  weight_map: z.record(z.string(), z.string().regex(/^[\w.-]+\.safetensors$/)),
});

export function readShape(folder: string): ModelShape {
  return shapeFromConfig(readJson(join(folder, "config.json"), z.record(z.string(), z.unknown())));
}

export function readHuggingFaceFolder(folder: string): ImportedModel {
  const shape = readShape(folder);
  const files = weightFiles(folder);
  const found = new Map<string, HostTensor>();
  for (const file of files)
    for (const [name, tensor] of readSafetensors(file).tensors) found.set(name, tensor);
  const sizes = new Map<string, Shape>([...found].map(([name, tensor]) => [name, tensor.shape]));
  const bound = bindTensors(shape, folder, sizes);
  checkTied(folder, shape, found);
  const tensors: HostTensors = new Map(
    [...bound].map(([name, inFile]) => [name, floats(folder, inFile, found.get(inFile)!)]),
  );
  const stored = new Map(files.flatMap((file) => [...readTensorSizes(file)]));
  return {
    shape,
    tensors,
    source: folder,
    file: {
      bytes: files.reduce((bytes, file) => bytes + statSync(file).size, 0),
      tensorBytes: (name) => stored.get(bound.get(name) ?? "") ?? 0,
    },
  };
}

export function weightFiles(folder: string): string[] {
  const single = join(folder, "model.safetensors");
  if (existsSync(single)) return [single];
  const index = join(folder, "model.safetensors.index.json");
  if (existsSync(index)) {
    const { weight_map: map } = readJson(index, indexSchema);
    return [...new Set(Object.values(map))].sort().map((name) => join(folder, name));
  }
  const old = existsSync(join(folder, "pytorch_model.bin"));
  throw new WorkbenchError(
    old ? "unsupported" : "not-found",
    old
      ? `${folder} holds its weights as pytorch_model.bin, which is not read. Save the model as safetensors.`
      : `${folder} has a config.json but no model.safetensors. Put the weights beside it.`,
  );
}

/** A file may repeat a tied tensor; where the two differ, one of them would be lost silently. */
function checkTied(folder: string, shape: ModelShape, found: ReadonlyMap<string, HostTensor>): void {
  for (const [alias, name] of familyOf(shape.family).tied(shape.config)) {
    const [one, other] = [found.get(alias)?.data, found.get(name)?.data];
    if (one === undefined || other === undefined) continue;
    if (one.length === other.length && one.every((each, i) => Object.is(each, other[i]))) continue;
    throw new WorkbenchError(
      "invalid-input",
      `${folder}: the configuration ties ${alias} to ${name}, but the file holds two different tensors. ` +
        'Write "tie_word_embeddings": false into config.json if both are meant.',
    );
  }
}

function floats(folder: string, name: string, tensor: HostTensor): HostTensor {
  if (tensor.data instanceof Float32Array) return tensor;
  throw new WorkbenchError(
    "unsupported",
    `${name} in ${folder} holds whole numbers where weights are wanted: quantised files are not read. Use the unquantised model.`,
  );
}
