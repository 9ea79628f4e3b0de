#!/bin/sh
# run_fuzz.sh libfuzzer|driver FUZZER MAKE_CORPUS FOLDER: a short run of a fuzzer of src/elf, always the same one,
# in a fresh FOLDER, from the images that MAKE_CORPUS writes and the kernel's vDSO. Fails when the fuzzer finds
# anything; the input that shows it stays in FOLDER.
#
# By hand, for longer: FUZZER -max_len=16384 -max_total_time=600 NEW-FOLDER FOLDER/corpus
set -eu
kind=$1 fuzzer=$2 make_corpus=$3 folder=$4

rm -rf "$folder"
mkdir -p "$folder/corpus" "$folder/found"
"$make_corpus" "$folder/corpus"
"$make_corpus" --vdso >"$folder/corpus/vdso.so"
cd "$folder"
case $kind in
libfuzzer)
  exec "$fuzzer" -runs=200000 -max_total_time=40 -seed=1 -max_len=16384 -timeout=20 found corpus ;;
driver)
  exec "$fuzzer" 400000 1 corpus/* ;;
esac
