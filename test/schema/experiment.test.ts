import * as z from "zod";
import { describe, expect, test } from "vitest";
import {
  dataSchema,
  createExperimentSchema,
  type SchemaCatalog,
  trainSchema,
} from "../../src/schema/experiment";

const none: SchemaCatalog = {
  models: {},
  methods: {},
  merges: {},
  metrics: {},
  caches: {},
  prompts: {},
  exports: {},
  reports: {},
};
const family = z.object({
  model_type: z.literal("a").optional(),
  width: z.int().default(4).describe("Width."),
});
const schema = createExperimentSchema({
  ...none,
  models: { a: family, b: z.looseObject({ depth: z.int() }) },
  methods: { prune: z.object({ sparsity: z.number().default(0.5) }) },
});

describe("the schema of cells", () => {
  test("gives Hugging Face's defaults to an empty training", () => {
    expect(trainSchema.parse({})).toMatchObject({
      per_device_train_batch_size: 8,
      learning_rate: 5e-5,
      lr_scheduler_type: "linear",
      num_train_epochs: 3,
      adam_beta1: 0.9,
      adam_beta2: 0.999,
      adam_epsilon: 1e-8,
      max_grad_norm: 1,
      weight_decay: 0,
    });
    expect(dataSchema.parse({ text: "*" })).toMatchObject({ sequence_len: 256, packing: true });
  });

  test("takes a model's keys from its family, and refuses others even if the family would accept them", () => {
    expect(schema.parse({ model: { model_type: "a" } }).model).toEqual({ model_type: "a", width: 4 });
    expect(schema.safeParse({ model: { model_type: "a", depth: 1 } }).success).toBe(false);
    expect(schema.safeParse({ model: { model_type: "b", depth: 1, width: 2 } }).success).toBe(false);
    expect(schema.safeParse({ model: { model_type: "c" } }).success).toBe(false);
    expect(schema.safeParse({ compress: { prune: { sparsty: 1 } } }).success).toBe(false);
  });

  test("keeps the rules of a family", () => {
    const even = family.superRefine(({ width }, context) => {
      if (width % 2 !== 0) context.addIssue({ code: "custom", path: ["width"], message: "odd" });
    });
    const result = createExperimentSchema({ ...none, models: { a: even } }).safeParse({
      model: { model_type: "a", width: 3 },
    });
    expect(result.error?.issues).toMatchObject([{ path: ["model", "width"], message: "odd" }]);
  });

  test("allows variants to change single keys and set null, without filling in defaults", () => {
    const variants = {
      some: {
        model: { width: 3, depth: null },
        train: { max_steps: 5, optim: null },
        compress: { prune: { sparsity: null } },
      },
      none: null,
      gone: { train: null, data: { grammar: { order: 2 } }, device: "cpu" },
    };
    expect(schema.parse({ variants }).variants).toEqual(variants);
    expect(schema.safeParse({ variants: { a: { train: { max_stps: 5 } } } }).success).toBe(false);
    const swept = { a: { sweep: { seed: [0, 1], "train.max_steps": null } } };
    expect(schema.parse({ variants: swept }).variants).toEqual(swept);
    expect(schema.safeParse({ variants: { a: { sweep: { seed: [] } } } }).success).toBe(false);
    expect(schema.safeParse({ variants: { a: { scales: {} } } }).success).toBe(false);
  });

  test("accepts nothing if the catalogs are empty, also in JSON Schema", () => {
    const empty = createExperimentSchema(none);
    expect(empty.safeParse({ model: { model_type: "a" } }).success).toBe(false);
    expect(() => z.toJSONSchema(empty, { io: "input", unrepresentable: "any" })).not.toThrow();
  });

  test("allows the names of datasets that it receives", () => {
    const named = createExperimentSchema({ ...none, dataSets: ["shakespeare"] });
    expect(named.safeParse({ data: { dataset: "shakespeare" } }).success).toBe(true);
    expect(named.safeParse({ data: { dataset: "shakespear" } }).success).toBe(false);
    expect(schema.safeParse({ data: { dataset: "anything" } }).success).toBe(true);
  });

  test("requires an object of options for entries of a catalog", () => {
    const models = { odd: z.string() };
    expect(() => createExperimentSchema({ ...none, models })).toThrow(
      "The schema of odd has to be an object of named options.",
    );
  });
});
