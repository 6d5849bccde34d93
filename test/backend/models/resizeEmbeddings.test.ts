import { expect, test } from "vitest";
import { parametersOf } from "../../../src/backend/models/model";
import { resizeShape, resizeTensors } from "../../../src/backend/models/resizeEmbeddings";
import { drawModelTensors, createTinyShape } from "../../support/subject";

/** `[width]`, and `[width, width]` of the rows from one on. */
function momentsOf(data: ArrayLike<number>, width: number, from = 0) {
  const rows = Array.from({ length: data.length / width - from }, (_, row) =>
    Array.from({ length: width }, (_, i) => data[(from + row) * width + i]!),
  );
  const mean = Array.from(
    { length: width },
    (_, i) => rows.reduce((sum, row) => sum + row[i]!, 0) / rows.length,
  );
  const covariance = mean.map((_, i) =>
    mean.map(
      (_, j) => rows.reduce((sum, row) => sum + (row[i]! - mean[i]!) * (row[j]! - mean[j]!), 0) / rows.length,
    ),
  );
  return { mean, covariance };
}

test.each(["gpt2", "llama", "qwen2", "phi3", "bert"])(
  "%s: rows are added to embedding, untied head and bias, and everything else is unchanged",
  (family) => {
    for (const tied of family === "bert" ? [true] : [true, false]) {
      const shape = createTinyShape(family, { tie_word_embeddings: tied });
      const { vocab_size: rows } = shape.config as { vocab_size: number };
      const tensors = drawModelTensors(shape, 3);
      const larger = resizeShape(shape, rows + 5);
      expect(larger.config).toEqual({ ...shape.config, vocab_size: rows + 5 });
      const resized = resizeTensors(shape, larger, tensors, 1);
      const changed: string[] = [];
      for (const spec of parametersOf(larger)) {
        const { shape: size, data } = resized.get(spec.name)! as { shape: number[]; data: Float32Array };
        expect(size, spec.name).toEqual(spec.shape);
        const old = tensors.get(spec.name)!.data;
        expect(data.subarray(0, old.length), spec.name).toEqual(old);
        expect(data).toHaveLength(size.reduce((product, each) => product * each, 1));
        if (data.length === old.length) continue;
        changed.push(spec.name);
        const width = old.length / rows;
        const { mean } = momentsOf(old, width);
        for (let i = old.length; i < data.length; i++)
          expect(Math.abs(data[i]! - mean[i % width]!), spec.name).toBeLessThan(1e-3);
      }
      expect(changed.length).toBeGreaterThan(0);
      expect(resizeTensors(shape, larger, tensors, 1)).toEqual(resized);
      expect(resizeTensors(shape, larger, tensors, 2)).not.toEqual(resized);
    }
  },
);

test("new rows have the mean of the others and 1e-9 of their covariance", () => {
  const shape = createTinyShape("gpt2", { n_embd: 4, n_head: 1, vocab_size: 12 });
  const tensors = drawModelTensors(shape, 4);
  const name = "transformer.wte.weight";
  // Around zero, so that float32 precision preserves the small differences between new rows.
  const data = tensors.get(name)!.data as Float32Array;
  const { mean } = momentsOf(data, 4);
  data.forEach((each, i) => (data[i] = each - mean[i % 4]!));
  const { covariance } = momentsOf(data, 4);
  const larger = resizeShape(shape, 12 + 20_000);
  const resized = resizeTensors(shape, larger, tensors, 1).get(name)!.data as Float32Array;
  const drawn = momentsOf(resized, 4, 12);
  const largest = Math.max(...covariance.flat().map(Math.abs));
  for (let i = 0; i < 4; i++) {
    expect(Math.abs(drawn.mean[i]!)).toBeLessThan(4 * Math.sqrt((1e-9 * covariance[i]![i]!) / 20_000) + 1e-8);
    for (let j = 0; j < 4; j++)
      expect(Math.abs(drawn.covariance[i]![j]! / 1e-9 - covariance[i]![j]!)).toBeLessThan(0.05 * largest);
  }
});

test("a smaller vocabulary removes no row", () => {
  const shape = createTinyShape("gpt2");
  expect(resizeShape(shape, 1)).toBe(shape);
});
