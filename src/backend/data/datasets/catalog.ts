/** Every named data set by its file's name. Written by `npm run generate`. */
import type { NamedDataSet } from "../namedDataSet";
import cola from "./cola";
import lamini from "./lamini";
import mnli from "./mnli";
import mrpc from "./mrpc";
import pennTreebank from "./penn-treebank";
import qnli from "./qnli";
import qqp from "./qqp";
import rte from "./rte";
import smsSpam from "./sms-spam";
import sst2 from "./sst2";
import tinyShakespeare from "./tiny-shakespeare";
import tinystories from "./tinystories";
import wikitext103 from "./wikitext-103";
import wikitext2 from "./wikitext-2";

export const dataSets: Readonly<Record<string, NamedDataSet>> = {
  cola,
  lamini,
  mnli,
  mrpc,
  "penn-treebank": pennTreebank,
  qnli,
  qqp,
  rte,
  "sms-spam": smsSpam,
  sst2,
  "tiny-shakespeare": tinyShakespeare,
  tinystories,
  "wikitext-103": wikitext103,
  "wikitext-2": wikitext2,
};
