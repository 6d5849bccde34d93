import { describe, expect, it } from "vitest";
import { selectTargets, type TargetOptions } from "../../../src/backend/compression/targets";
import { withRepresentations } from "../../../src/backend/models/model";
import { createTinyShape } from "../../support/subject";

const gpt2 = createTinyShape("gpt2");
const llama = createTinyShape("llama");
const roles = (shape: typeof gpt2, options: TargetOptions) =>
  selectTargets(shape, options).map(({ matrix }) => matrix.role);

describe("selectTargets", () => {
  it("selects all projections by default, and no embedding, head or norm", () => {
    expect(roles(gpt2, {})).toEqual(
      [0, 1].flatMap((layer) =>
        ["self_attn.qkv_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj"].map(
          (role) => `layers.${layer}.${role}`,
        ),
      ),
    );
    expect(roles(llama, {})).toHaveLength(14);
  });

  it.each([
    [
      "layers.*.mlp.*",
      ["layers.0.mlp.up_proj", "layers.0.mlp.down_proj", "layers.1.mlp.up_proj", "layers.1.mlp.down_proj"],
    ],
    ["layers.?.self_attn.o_proj", ["layers.0.self_attn.o_proj", "layers.1.self_attn.o_proj"]],
    ["re:layers\\.1\\.mlp", ["layers.1.mlp.up_proj", "layers.1.mlp.down_proj"]],
    ["re:.*down", ["layers.0.mlp.down_proj", "layers.1.mlp.down_proj"]],
    [
      ["layers.0.mlp.up_proj", "embed_tokens"],
      ["embed_tokens", "layers.0.mlp.up_proj"],
    ],
  ])("selects what matches %s", (targets, wanted) => expect(roles(gpt2, { targets })).toEqual(wanted));

  it("leaves out what `ignore` matches", () => {
    expect(roles(gpt2, { targets: "layers.0.*", ignore: "*.mlp.*" })).toEqual([
      "layers.0.self_attn.qkv_proj",
      "layers.0.self_attn.o_proj",
    ]);
    expect(roles(gpt2, { ignore: ["lm_head", "layers.1.*"] })).toHaveLength(4);
  });

  it("splits a packed matrix only if some of its parts are selected", () => {
    const part = selectTargets(gpt2, { targets: "layers.0.self_attn.q_proj" });
    expect(part.map(({ matrix, packedIn }) => [matrix.role, packedIn?.role])).toEqual([
      ["layers.0.self_attn.q_proj", "layers.0.self_attn.qkv_proj"],
    ]);
    expect(roles(gpt2, { targets: "layers.0.self_attn.*", ignore: "*.v_proj" })).toEqual([
      "layers.0.self_attn.q_proj",
      "layers.0.self_attn.k_proj",
      "layers.0.self_attn.o_proj",
    ]);
  });

  it("accepts parts that are already stored separately, and refuses parts of a packed matrix that is not dense", () => {
    const split = withRepresentations(gpt2, { "layers.0.self_attn.q_proj": { type: "masked", options: {} } });
    const found = selectTargets(split, { targets: "layers.0.self_attn.qkv_proj" });
    expect(found.map(({ matrix, type }) => [matrix.role.slice(-6), type])).toEqual([
      ["q_proj", "masked"],
      ["k_proj", "dense"],
      ["v_proj", "dense"],
    ]);
    const whole = withRepresentations(gpt2, {
      "layers.0.self_attn.qkv_proj": { type: "masked", options: {} },
    });
    expect(() => selectTargets(whole, { targets: "layers.0.self_attn.q_proj" })).toThrow(
      /stored as masked as a whole.*Use layers.0.self_attn.qkv_proj as the target/,
    );
  });

  it("never selects embeddings or the head by a wildcard", () => {
    const untied = createTinyShape("gpt2", { tie_word_embeddings: false });
    expect(roles(untied, { targets: "*" })).not.toContain("lm_head");
    expect(roles(untied, { targets: ["lm_head"] })).toEqual(["lm_head"]);
    expect(() => roles(untied, { targets: "re:.*head" })).toThrow(/write their full names/);
  });

  it.each([
    [
      { targets: "layers.9.*" },
      /targets: "layers.9.\*" matches no role\. Roles: embed_tokens, .*layers.<n>.mlp.up_proj/,
    ],
    [{ ignore: "layer.0" }, /ignore: "layer.0" matches no role/],
    [{ targets: "re:(" }, /is not a valid regular expression/],
    [{ targets: "layers.0.*", ignore: "layers.*" }, /No targets are left/],
  ])("refuses %j", (options, message) => expect(() => selectTargets(gpt2, options)).toThrow(message));

  it("treats a matrix by the smaller ones that it stores, which have roles of their own", () => {
    const [up, down] = ["layers.0.mlp.up_proj", "layers.0.mlp.down_proj"];
    const shape = withRepresentations(llama, {
      [up]: { type: "factored", options: { rank: 3 } },
      [`${up}.in`]: { type: "factored", options: { rank: 2 } },
      [down]: { type: "sliced", options: { inputs: 8 } },
      embed_tokens: { type: "factored", options: { rank: 3 } },
    });
    const [first, second, out] = [`${up}.in.in`, `${up}.in.out`, `${up}.out`];
    expect(roles(shape, { targets: "layers.0.mlp.*", ignore: "*.gate_proj" })).toEqual([
      ...[first, second, out],
      `${down}.kept`,
    ]);
    expect(roles(shape, { targets: up })).toEqual([first, second, out]);
    expect(roles(shape, { targets: `${up}.in` })).toEqual([first, second]);
    expect(roles(shape, { targets: "re:.*up_proj", ignore: "*.in.out" })).toContain(first);
    expect(roles(shape, { targets: up, ignore: "*.in" })).toEqual([out]);
    expect(roles(shape, { targets: "embed_tokens" })).toEqual(["embed_tokens.in", "embed_tokens.out"]);
    expect(roles(shape, { targets: "embed_tokens.out" })).toEqual(["embed_tokens.out"]);
    expect(roles(shape, { targets: "*.in" })).not.toContain("embed_tokens.in");
    expect(() => roles(llama, { targets: `${up}.in` })).toThrow(/matches no role/);
  });
});
