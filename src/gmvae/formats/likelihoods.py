"""The likelihoods that a data set may ask for, and how the book calls them. Imports nothing."""

LIKELIHOODS = ("bernoulli", "normal", "negative_binomial", "zero_inflated_negative_binomial")
COUNT_LIKELIHOODS = ("negative_binomial", "zero_inflated_negative_binomial")
