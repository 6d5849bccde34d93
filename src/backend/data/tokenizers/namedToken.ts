/** The ids of tokens that the files of a tokenizer name, also of those that it does not add to a text. */
import { readSettings, type TokenName } from "./specialTokens";
import { listSpecialTokens, type Tokenizer } from "./tokenizer";

/** The id of `bos_token`, `eos_token`, … of `tokenizer_config.json` or `special_tokens_map.json`; undefined if it has none. */
export function findNamedToken(
  tokenizer: Pick<Tokenizer, "files" | "nameOf" | "vocabSize">,
  name: TokenName,
): number | undefined {
  const { files } = tokenizer;
  const read = (file: string): string | undefined => {
    const content = files[file];
    return content === undefined || typeof content === "string" ? content : Buffer.from(content).toString();
  };
  const token = readSettings({
    config: read("tokenizer_config.json"),
    specialTokens: read("special_tokens_map.json"),
  }).names[name];
  if (token === undefined) return undefined;
  const special = listSpecialTokens(tokenizer).find(({ content }) => content === token);
  if (special !== undefined) return special.id;
  for (let id = 0; id < tokenizer.vocabSize; id++) if (tokenizer.nameOf(id) === token) return id;
  return undefined;
}
