/** Every named data set by its file's name. Written by `npm run generate`. */
import type { NamedDataSet } from "../namedDataSet";
import cola from "./cola";
import lamini from "./lamini";
import mrpc from "./mrpc";
import pennTreebank from "./penn-treebank";
import smsSpam from "./sms-spam";
import sst2 from "./sst2";
import tinyShakespeare from "./tiny-shakespeare";
import tinystories from "./tinystories";
import wikitext2 from "./wikitext-2";

export const dataSets: Readonly<Record<string, NamedDataSet>> = {
  cola,
  lamini,
  mrpc,
  "penn-treebank": pennTreebank,
  "sms-spam": smsSpam,
  sst2,
  "tiny-shakespeare": tinyShakespeare,
  tinystories,
  "wikitext-2": wikitext2,
};
