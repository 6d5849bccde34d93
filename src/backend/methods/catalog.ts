/** Every method by its file's name. Written by `npm run generate`. */
import type { AnyMethod } from "../compression/method";
import alps from "./alps";
import awq from "./awq";
import bitnet from "./bitnet";
import bonsai from "./bonsai";
import cluster from "./cluster";
import dwc from "./dwc";
import flap from "./flap";
import fpp from "./fpp";
import gmp from "./gmp";
import gptq from "./gptq";
import graphhash from "./graphhash";
import hqq from "./hqq";
import irc from "./irc";
import kron from "./kron";
import layerdrop from "./layerdrop";
import llmpruner from "./llmpruner";
import magnitude from "./magnitude";
import minitron from "./minitron";
import mixed from "./mixed";
import movement from "./movement";
import quantgpt from "./quantgpt";
import quarot from "./quarot";
import random from "./random";
import ria from "./ria";
import rigl from "./rigl";
import roast from "./roast";
import rtn from "./rtn";
import slicegpt from "./slicegpt";
import smoothquant from "./smoothquant";
import sparsegpt from "./sparsegpt";
import svd from "./svd";
import wanda from "./wanda";

export const methods: Readonly<Record<string, AnyMethod>> = {
  alps,
  awq,
  bitnet,
  bonsai,
  cluster,
  dwc,
  flap,
  fpp,
  gmp,
  gptq,
  graphhash,
  hqq,
  irc,
  kron,
  layerdrop,
  llmpruner,
  magnitude,
  minitron,
  mixed,
  movement,
  quantgpt,
  quarot,
  random,
  ria,
  rigl,
  roast,
  rtn,
  slicegpt,
  smoothquant,
  sparsegpt,
  svd,
  wanda,
};
