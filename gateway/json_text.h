#include "common/json_text.h"
