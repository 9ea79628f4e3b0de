#!/bin/sh
# run_fuzz.sh libfuzzer|driver FUZZER SAMPLES LDX-POLICY FOLDER: a short run of the policy's fuzzer, always the same
# one, in a fresh FOLDER, from the policies in SAMPLES and a program that has one. Fails when the fuzzer finds
# anything; the input that shows it stays in FOLDER.
set -eu
kind=$1 fuzzer=$2 samples=$3 tool=$4 folder=$5

rm -rf "$folder"
mkdir -p "$folder/corpus" "$folder/found"
cp "$samples"/*.json "$folder/corpus"
"$tool" add -o "$folder/corpus/program" "$samples/small.json" /bin/true
cd "$folder"
case $kind in
libfuzzer) exec "$fuzzer" -runs=150000 -max_total_time=30 -seed=1 -max_len=40000 -timeout=20 found corpus ;;
driver) exec "$fuzzer" 400000 1 corpus/* ;;
esac
