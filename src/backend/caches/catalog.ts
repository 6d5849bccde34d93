/** Every cache policy by its file's name. Written by `npm run generate`. */
import type { AnyCachePolicy } from "./policy";
import full from "./full";
import h2o from "./h2o";
import keyformer from "./keyformer";
import kvcrush from "./kvcrush";
import random from "./random";
import razor from "./razor";
import snapkv from "./snapkv";
import window from "./window";

export const cachePolicies: Readonly<Record<string, AnyCachePolicy>> = {
  full,
  h2o,
  keyformer,
  kvcrush,
  random,
  razor,
  snapkv,
  window,
};
