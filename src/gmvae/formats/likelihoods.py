"""The likelihoods that a dataset may ask for. Imports nothing."""

LIKELIHOODS = {  # with their names in the thesis
    "bernoulli": "Bernoulli",
    "normal": "normal",
    "negative_binomial": "negative binomial",
    "zero_inflated_negative_binomial": "zero-inflated negative binomial",
}
COUNT_LIKELIHOODS = ("negative_binomial", "zero_inflated_negative_binomial")
