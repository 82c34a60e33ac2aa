// Every kernel.
#pragma once

#include <kernels/device/accumulate.h>
#include <kernels/device/append.h>
#include <kernels/device/compact.h>
#include <kernels/device/copy_blocks.h>
#include <kernels/device/decode.h>
#include <kernels/device/gather.h>
#include <kernels/device/quantize.h>
#include <kernels/device/swap.h>
#include <kernels/device/top_k.h>
#include <kernels/device/transpose.h>
