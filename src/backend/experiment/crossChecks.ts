/** Rules between keys and between cells that need no data: violations would otherwise fail minutes into a run. */
import type { CrossFault } from "./crossFault";
import type { Path, Resolved } from "./experiment";
import { findParallelFaults } from "./parallelFaults";
import { isMap, type PlainMap } from "./plainMap";

export function findCrossFaults(resolved: Resolved): CrossFault[] {
  const { data, model, baseModel, actions } = resolved;
  const faults = findParallelFaults(resolved);
  if (data !== undefined) faults.push(...findDataFaults(data));
  if (model !== undefined && baseModel !== undefined)
    faults.push({
      subject: "base_model",
      path: [],
      message: "and model are both specified; keep one of them",
    });
  if (model !== undefined && data !== undefined) faults.push(...findContextFaults(model, data));
  actions.forEach(({ key, options }, subject) => {
    if (model === undefined && baseModel === undefined)
      faults.push({
        subject,
        path: [],
        message: "has no model to work on; declare model or base_model above it",
      });
    if (key === "train") {
      if (data === undefined)
        faults.push({ subject, path: [], message: "has no text to read; declare data above it" });
      faults.push(...findTrainFaults(options, data).map((fault) => ({ subject, ...fault })));
      if (learnsFromOriginal(options) && baseModel === undefined && !actions.some(isShrinking))
        faults.push({
          subject,
          path: ["teacher"],
          message:
            "learns from the model before compression, but nothing compresses it; put a compress cell above, or name a trained model in teacher.model",
        });
    }
    const { perplexity } = options;
    if (key === "evaluate" && isMap(perplexity))
      faults.push(...findStrideFaults(perplexity, data).map((strideFault) => ({ subject, ...strideFault })));
  });
  return faults;
}

function isShrinking({ key }: Resolved["actions"][number]): boolean {
  return key === "compress";
}

function learnsFromOriginal({ teacher }: PlainMap): boolean {
  return isMap(teacher) && (teacher.model ?? "original") === "original";
}

/**
 * The actions without teachers that do not exist yet: until something has compressed the model, it is itself the
 * teacher of later trainings. So a variant that changes the teacher of all train cells does not affect the first
 * training.
 */
export function removeEarlyTeachers({ actions, baseModel }: Resolved): Resolved["actions"] {
  const first = actions.findIndex(isShrinking);
  if (baseModel !== undefined || first < 0) return actions;
  return actions.map((action, i) => {
    if (i > first || action.key !== "train" || !learnsFromOriginal(action.options)) return action;
    const { teacher: _, ...options } = action.options;
    return { ...action, options };
  });
}

function findDataFaults(data: PlainMap): CrossFault[] {
  const toFault = (path: Path, message: string): CrossFault => ({ subject: "data", path, message });
  const faults: CrossFault[] = [];
  const sources = ["text", "dataset", "grammar", "passkeys"].filter((key) => data[key] !== undefined);
  // With `text` and its fallback, `grammar` only configures the fallback.
  const effectiveSources =
    data.fallback === "grammar"
      ? sources.filter((key) => key !== "grammar" || sources.length === 1)
      : sources;
  if (effectiveSources.length === 0)
    faults.push(toFault([], "names no source; specify one of text, dataset, grammar, passkeys"));
  if (effectiveSources.length > 1)
    faults.push(toFault([effectiveSources[1]!], `conflicts with ${effectiveSources[0]!}; keep one of them`));
  if (data.fallback !== undefined && data.text === undefined)
    faults.push(toFault(["fallback"], "applies to text only, and none is specified"));
  for (const split of ["validation_text", "test_text"])
    if (data[split] !== undefined && data.text === undefined)
      faults.push(toFault([split], "requires text, and none is specified"));
  if (data.response_column !== undefined && data.instruction_column === undefined)
    faults.push(toFault(["response_column"], "requires instruction_column"));
  if (data.instruction_column !== undefined && data.response_column === undefined)
    faults.push(toFault(["instruction_column"], "requires response_column"));
  if (data.document_mask === true && data.packing === false)
    faults.push(
      toFault(["document_mask"], "has to be false without packing: each sequence is already one document"),
    );
  if (data.packing_strategy === "characters" && data.packing === false)
    faults.push(toFault(["packing_strategy"], "configures packing, and packing is false"));
  if (isMap(data.grammar) && Number(data.grammar.branching) > Number(data.grammar.symbols))
    faults.push(
      toFault(["grammar", "branching"], `has to be at most grammar.symbols, ${String(data.grammar.symbols)}`),
    );
  if (isMap(data.passkeys)) faults.push(...findPasskeyFaults(data.passkeys, data));
  return faults;
}

function findPasskeyFaults(passkeys: PlainMap, data: PlainMap): CrossFault[] {
  const toFault = (path: Path, message: string): CrossFault => ({ subject: "data", path, message });
  const faults: CrossFault[] = [];
  if (data.packing !== false)
    faults.push(
      toFault(
        ["passkeys"],
        "requires packing: false, because a packed sequence may have questions without their pairs",
      ),
    );
  if (Number(data.sequence_len) < Number(passkeys.length))
    faults.push(toFault(["sequence_len"], `has to be at least passkeys.length, ${String(passkeys.length)}`));
  return faults;
}

/** The key of the longest sequence differs between families. */
const contextKeys = ["max_position_embeddings", "n_positions"];

function findContextFaults(model: PlainMap, data: PlainMap): CrossFault[] {
  const key = contextKeys.find((each) => typeof model[each] === "number");
  if (key === undefined || Number(data.sequence_len) <= Number(model[key])) return [];
  const limit = String(model[key]);
  return [
    {
      subject: "data",
      path: ["sequence_len"],
      message: `has to be at most ${limit}, the model's ${key}; it is ${String(data.sequence_len)}`,
    },
  ];
}

function findTrainFaults(train: PlainMap, data: PlainMap | undefined): Omit<CrossFault, "subject">[] {
  const faults: Omit<CrossFault, "subject">[] = [];
  const { max_steps: steps, warmup_steps: warmup } = train;
  if (typeof steps === "number" && typeof warmup === "number" && warmup > steps)
    faults.push({
      path: ["warmup_steps"],
      message: `has to be at most max_steps, ${steps}; it is ${warmup}`,
    });
  const blocks =
    train.block_rows !== undefined ||
    train.sample_with_replacement === true ||
    train.restart_optimizer === true;
  for (const other of ["lora", "teacher"] as const)
    if (train.exits !== undefined && train[other] !== undefined)
      faults.push({
        path: ["exits"],
        message: `cannot be combined with ${other}, which trains other weights; use a train cell for each`,
      });
  for (const other of ["teacher", "exits"] as const)
    if (train.preference !== undefined && train[other] !== undefined)
      faults.push({
        path: ["preference"],
        message: `cannot be combined with ${other}, which has a loss of its own; use a train cell for each`,
      });
  if (train.preference !== undefined && train.eval_loss_average === "sequences")
    faults.push({
      path: ["eval_loss_average"],
      message: "has no effect with preference, whose loss is the mean over pairs; remove it",
    });
  if (train.load_best_model_at_end === true && train.eval_steps === undefined && !blocks)
    faults.push({
      path: ["load_best_model_at_end"],
      message: "needs eval_steps or block_rows to determine the best checkpoint",
    });
  if (train.early_stopping !== undefined && train.eval_steps === undefined && !blocks)
    faults.push({
      path: ["early_stopping"],
      message: "needs eval_steps or block_rows, since it counts evaluations",
    });
  const splits = data === undefined || data.dataset !== undefined || data.validation_text !== undefined;
  if (train.eval_steps !== undefined && !splits && data.val_fraction === 0 && data.val_set_size === undefined)
    faults.push({
      path: ["eval_steps"],
      message: "needs a validation split; raise data.val_fraction above 0",
    });
  return faults;
}

function findStrideFaults(perplexity: PlainMap, data: PlainMap | undefined): Omit<CrossFault, "subject">[] {
  const stride = perplexity.stride;
  const context = perplexity.context ?? data?.sequence_len;
  if (typeof stride !== "number" || typeof context !== "number" || stride <= context) return [];
  return [
    {
      path: ["perplexity", "stride"],
      message: `has to be at most the context, ${context} tokens; it is ${stride}, so tokens between windows would not be scored`,
    },
  ];
}
