/** Names of classes that Hugging Face's `datasets` writes into a Parquet file beside the columns. */
import { asyncBufferFromFile, parquetMetadataAsync } from "hyparquet";
import * as z from "zod";

const featuresSchema = z.object({
  info: z.object({ features: z.record(z.string(), z.unknown()) }),
});
const classLabelSchema = z.object({ _type: z.literal("ClassLabel"), names: z.array(z.string()).min(1) });

/** Undefined where the file does not describe the column as a `ClassLabel`. */
export async function readParquetClassNames(
  path: string,
  column: string,
): Promise<readonly string[] | undefined> {
  const { key_value_metadata: pairs = [] } = await parquetMetadataAsync(await asyncBufferFromFile(path));
  const text = pairs.find(({ key }) => key === "huggingface")?.value;
  if (text === undefined) return undefined;
  let described: unknown;
  try {
    described = JSON.parse(text);
  } catch {
    return undefined; // Another program's notes, which are not about columns.
  }
  const { data } = featuresSchema.safeParse(described);
  return classLabelSchema.safeParse(data?.info.features[column]).data?.names;
}
