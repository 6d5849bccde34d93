/** The settings of a run as the cells of an experiment, without what is the default anyway. */
import { Document } from "yaml";
import type { RunPlan } from "../../protocol/run";
import type { ExperimentSchema } from "../../schema/experiment";
import { isMap, type PlainMap } from "../experiment/plainMap";
import { toCanonicalJson } from "../experiment/stepKey";

/** Far above any real vocabulary: the tokenizer determines a size that nobody wrote. */
const anyVocabulary = 2 ** 30;

export interface CopyOptions {
  readonly schema: ExperimentSchema;
  /** The heading. */
  readonly title: string;
  /** A paragraph below it. */
  readonly introduction: string;
  /** The folder of the plan's paths, relative to that of the copy; empty for the same. */
  readonly folder: string;
}

export function copyAsCells(plan: RunPlan, { schema, title, introduction, folder }: CopyOptions): string {
  const { data, model, baseModel, seed, device, steps } = plan;
  const head = {
    ...(folder === "" || folder === "." ? {} : { folder }),
    ...(seed === 0 ? {} : { seed }),
    ...(device === "auto" ? {} : { device }),
  };
  const { shape } = schema;
  const parseModel = createParser((value) =>
    shape.model.safeParse(
      isMap(value) && !("vocab_size" in value) ? { ...value, vocab_size: anyVocabulary } : value,
    ),
  );
  const cells: PlainMap[] = [
    ...(Object.keys(head).length === 0 ? [] : [head]),
    ...(data === undefined
      ? []
      : [
          {
            data: dropDefaults(
              data,
              createParser((value) => shape.data.safeParse(value)),
            ),
          },
        ]),
    ...(model === undefined ? [] : [{ model: dropDefaults(model, parseModel) }]),
    ...(baseModel === undefined ? [] : [{ base_model: baseModel }]),
    ...steps.map(({ action, options }) => ({
      [action]: dropDefaults(
        options,
        createParser((value) => shape[action].safeParse(value)),
      ),
    })),
  ];
  const blocks = cells.map((cell) => {
    const yaml = new Document(cell, { aliasDuplicateObjects: false }).toString({ lineWidth: 0 });
    return `\`\`\`yaml\n${yaml}\`\`\`\n`;
  });
  return [`# ${title}\n`, ...(introduction === "" ? [] : [`${introduction}\n`]), ...blocks].join("\n");
}

/** What a value means to the schema; undefined if it is not valid. */
type Parser = (value: unknown) => string | undefined;

function createParser(
  parse: (value: unknown) => { readonly success: boolean; readonly data?: unknown },
): Parser {
  return (value) => {
    const result = parse(value);
    return result.success ? toCanonicalJson(result.data) : undefined;
  };
}

/** Removes each key, at any depth, without which the value means the same. */
function dropDefaults(value: PlainMap, parse: Parser): PlainMap {
  const meaning = parse(value);
  if (meaning === undefined) return value;
  return Object.keys(value).reduce<PlainMap>((rest, key) => {
    const { [key]: inside, ...without } = rest;
    if (parse(without) === meaning) return without;
    if (!isMap(inside)) return rest;
    return { ...rest, [key]: dropDefaults(inside, (changed) => parse({ ...rest, [key]: changed })) };
  }, value);
}
