/** Every named data set by its file's name. Written by `npm run generate`. */
import type { NamedDataSet } from "../namedDataSet";
import lamini from "./lamini";
import pennTreebank from "./penn-treebank";
import tinyShakespeare from "./tiny-shakespeare";
import tinystories from "./tinystories";
import wikitext2 from "./wikitext-2";

export const dataSets: Readonly<Record<string, NamedDataSet>> = {
  lamini,
  "penn-treebank": pennTreebank,
  "tiny-shakespeare": tinyShakespeare,
  tinystories,
  "wikitext-2": wikitext2,
};
