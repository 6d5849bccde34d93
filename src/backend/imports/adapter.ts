/** Reads an adapter of PEFT (LoRA, rank-stabilized LoRA, DoRA) for a model: adapter_config.json and adapter_model.safetensors. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { WorkbenchError } from "../../protocol/errors";
import { isFloat } from "../checkpoints/dtypes";
import { type HostTensor, openTensors, type TensorFile } from "../checkpoints/safetensors";
import { refuseLfsPointer } from "../data/lfsPointer";
import { listModules, withAdapters } from "../models/adapters";
import { familyOf, hasAdapters, listClassHeadMatrices, type ModelShape, parametersOf } from "../models/model";
import { adapterConfigName, adapterWeightsName, parseAdapterName, peftPrefix } from "../models/peft";
import type { AdaptedOptions } from "../representations/adapted";
import type { TensorData } from "../representations/representation";
import { type AdapterConfig, readAdapterConfig } from "./adapterConfig";
import { listNames } from "./huggingFaceFolder";

export interface Adapter extends Disposable {
  /** The model with the adapter. */
  readonly shape: ModelShape;
  readonly bytes: number;
  /** Reads the adapter's tensors, by the names of the model's. */
  read(): ReadonlyMap<string, HostTensor>;
  /** Bytes of a tensor in the file; 0 for a tensor of the model. */
  tensorBytes(name: string): number;
}

/** Opens the adapter in a folder for a model, and checks that it belongs to the model before any weight is read. */
export function openAdapter(folder: string, base: ModelShape): Adapter {
  const config = readAdapterConfig(folder);
  if (hasAdapters(base))
    throw new WorkbenchError(
      "unsupported",
      `base_model.adapter cannot be applied: the model has adapters already. Use the model without adapters as the base.`,
    );
  const path = findWeights(folder);
  const file = openTensors(path);
  try {
    const { roles, names } = matchTensors(path, file, base, config);
    const { r, lora_alpha, lora_dropout, use_rslora, use_dora } = config;
    const options: AdaptedOptions = { r, lora_alpha, lora_dropout, use_rslora, use_dora };
    const shape = withAdapters(base, new Map([...roles].map((role) => [role, options])));
    checkShapes(path, file, shape, names, config);
    return {
      shape,
      bytes: statSync(path).size,
      tensorBytes: (name) => (names.has(name) ? file.tensorBytes(names.get(name)!) : 0),
      read: () => new Map([...names].map(([name, inFile]) => [name, readTensor(path, file, inFile)])),
      [Symbol.dispose]: () => file[Symbol.dispose](),
    };
  } catch (thrown) {
    file[Symbol.dispose]();
    throw thrown;
  }
}

function findWeights(folder: string): string {
  const path = join(folder, adapterWeightsName);
  if (existsSync(path)) {
    refuseLfsPointer(path);
    return path;
  }
  const isPickled = readdirSync(folder).includes("adapter_model.bin");
  throw new WorkbenchError(
    isPickled ? "unsupported" : "not-found",
    isPickled
      ? `${folder} has its weights as adapter_model.bin, which is not read because loading such a file can run code. Save the adapter with safe_serialization=True.`
      : `${folder} has an ${adapterConfigName} but no ${adapterWeightsName}. Add the weights to the folder.`,
  );
}

interface MatchedTensors {
  /** Of the matrices that have an adapter. */
  readonly roles: ReadonlySet<string>;
  /** The name in the file of each tensor of the model. */
  readonly names: ReadonlyMap<string, string>;
}

function matchTensors(
  path: string,
  file: TensorFile,
  base: ModelShape,
  config: AdapterConfig,
): MatchedTensors {
  // An adapter of a matrix whose outputs files have in another order is not read.
  const { prefix, fileRows } = familyOf(base.family);
  // A head over classes is trained whole beside the adapters, and stored whole.
  const heads = listClassHeadMatrices(base);
  const headNames = heads.flatMap(({ name }) => [`${name}.weight`, `${name}.bias`]);
  const headRoles = new Set(heads.map(({ role }) => role));
  const roles = new Map(
    listModules(base).flatMap(({ matrix: { name, role, kind } }) =>
      kind === "embedding" || headRoles.has(role) || fileRows?.(base.config, `${name}.weight`) !== undefined
        ? []
        : [[name, role] as const],
    ),
  );
  const found = new Set<string>();
  const names = new Map<string, string>();
  const unknown: string[] = [];
  for (const inFile of file.shapes.keys()) {
    const short = inFile.startsWith(peftPrefix) ? inFile.slice(peftPrefix.length) : inFile;
    const parsed = parseAdapterName(short);
    const module = [parsed?.module, `${prefix}.${parsed?.module ?? ""}`].find(
      (each) => each !== undefined && roles.has(each),
    );
    const name = headNames.includes(short) ? short : `${module ?? ""}.${parsed?.kind ?? ""}`;
    const isKnown = headNames.includes(short) || (parsed !== undefined && module !== undefined);
    if (!isKnown || names.has(name)) {
      unknown.push(inFile);
      continue;
    }
    names.set(name, inFile);
    if (module !== undefined) found.add(roles.get(module)!);
  }
  if (unknown.length > 0)
    throw misfitError(
      path,
      config,
      `${listNames(unknown)} ${unknown.length === 1 ? "belongs" : "belong"} to no module of this ${base.family} model that can have an adapter`,
    );
  if (found.size === 0)
    throw new WorkbenchError(
      "corrupt",
      `${path} has no tensor of an adapter. Use another copy of the adapter.`,
    );
  return { roles: found, names };
}

/** Every tensor of an adapter has to be there, in the shape that the model and the rank require. */
function checkShapes(
  path: string,
  file: TensorFile,
  shape: ModelShape,
  names: ReadonlyMap<string, string>,
  config: AdapterConfig,
): void {
  const faults: string[] = [];
  const expected = new Map(parametersOf(shape).map((spec) => [spec.name, spec]));
  for (const { name, adapter } of expected.values())
    if (adapter === true && !names.has(name)) faults.push(`${name} is missing`);
  for (const [name, inFile] of names) {
    const spec = expected.get(name);
    const size = file.shapes.get(inFile)!;
    if (spec === undefined) faults.push(`${inFile} is not used with these settings`);
    else if (size.join() !== spec.shape.join())
      faults.push(`${inFile} is [${size.join(", ")}] where the model has [${spec.shape.join(", ")}]`);
    else if (!isFloat(file.dtypes.get(inFile)!))
      faults.push(`${inFile} is ${file.dtypes.get(inFile)!}, not a floating-point type`);
  }
  if (faults.length > 0) throw misfitError(path, config, listFaults(faults));
}

function listFaults(faults: readonly string[]): string {
  const more = faults.length > 4 ? `; and ${faults.length - 4} more` : "";
  return `${faults.slice(0, 4).join("; ")}${more}`;
}

function misfitError(path: string, config: AdapterConfig, why: string): WorkbenchError {
  const base = config.base_model_name_or_path;
  const name = base == null ? "" : `, ${base}`;
  return new WorkbenchError(
    "invalid-input",
    `${path} does not fit the model: ${why}. Use the adapter with the model that it was trained for${name}.`,
  );
}

function readTensor(path: string, file: TensorFile, name: string): HostTensor {
  const data = file.read(name) as TensorData;
  const at = data.findIndex((each) => !Number.isFinite(each));
  if (at >= 0)
    throw new WorkbenchError(
      "corrupt",
      `${path}: element ${at} of ${name} is ${data[at]}. The file is damaged or its training diverged. Use another copy.`,
    );
  return { shape: file.shapes.get(name)!, data };
}
